"""Puts the pieces of a reply of Explain together."""

import math

import grpc
import numpy as np

from vitscope.client.errors import ClientError
from vitscope.client.fields import enum_name
from vitscope.client.internals.result import Array, Explained, TokenLayout
from vitscope.client.result import Class, Geometry, Timing
from vitscope.v1 import explain_pb2, maps_pb2

_DTYPES = {maps_pb2.DATA_TYPE_FLOAT32: "<f4", maps_pb2.DATA_TYPE_FLOAT16: "<f2"}


class Assembly:
    """Takes the messages of one reply, in order. Raises ClientError (DATA_LOSS) for what is no such reply."""

    def __init__(self) -> None:
        self._header: explain_pb2.ExplainHeader | None = None
        self._parts: dict[int, _Part] = {}

    def add(self, message: explain_pb2.ExplainResponse) -> None:
        if message.WhichOneof("content") == "header":
            self._header = header = message.header
            if header.dtype not in _DTYPES:
                raise _broken(f"values of the unknown type {header.dtype}")
            self._parts = {blocks.part: _Part(blocks, _DTYPES[header.dtype]) for blocks in header.parts}
        elif self._header is None or message.piece.part not in self._parts:
            raise _broken("a piece that no header announced")
        else:
            self._parts[message.piece.part].add(message.piece)

    def finish(self) -> Explained:
        """Return the result, when the stream has ended."""
        header = self._header
        if header is None:
            raise _broken("no header")
        tokens = header.tokens
        found = {enum_name(explain_pb2.ExplainPart, "EXPLAIN_PART", n): part for n, part in self._parts.items()}
        arrays = {name: part.array() for name, part in found.items()}
        blocks = [part.blocks for part in found.values()]
        return Explained(
            classes=tuple(Class(c.index, c.label, c.probability, c.logit) for c in header.classes),
            geometry=Geometry.of(header.geometry),
            tokens=TokenLayout(
                tokens.count, tokens.cls, tokens.distillation, tokens.registers, tokens.rows, tokens.cols
            ),
            timing=Timing.of(header.timing),
            model=header.model,
            version=header.version,
            layers=next((tuple(one.layers) for one in blocks if one.layers), ()),
            heads=next((tuple(one.heads) for one in blocks if one.heads), ()),
            chosen=next((tuple(one.tokens) for one in blocks if one.tokens), ()),
            lens_classes=next((tuple(one.classes) for one in blocks if one.classes), ()),
            matrices=arrays.get("matrices"),
            rows=arrays.get("rows"),
            columns=arrays.get("columns"),
            queries=arrays.get("queries"),
            keys=arrays.get("keys"),
            values=arrays.get("values"),
            token_norms=arrays.get("token_norms"),
            lens=arrays.get("lens"),
            rollout=arrays.get("rollout"),
            updates=arrays.get("updates"),
            header=header,
        )


class _Part:
    """The blocks of one part, filled piece by piece."""

    def __init__(self, blocks: explain_pb2.ExplainBlocks, dtype: str) -> None:
        self.blocks, self._dtype = blocks, np.dtype(dtype)
        lead = (len(blocks.layers), len(blocks.heads)) if blocks.layers else ()
        self._shape = (*lead, *blocks.shape)
        self._block = math.prod(blocks.shape) * self._dtype.itemsize
        self._data = bytearray(math.prod(self._shape) * self._dtype.itemsize)
        self._first = {
            (layer, head): (row * len(blocks.heads) + col) * self._block
            for row, layer in enumerate(blocks.layers)
            for col, head in enumerate(blocks.heads)
        } or {(-1, -1): 0}
        self._missing = len(self._data)

    def add(self, piece: explain_pb2.ExplainPiece) -> None:
        first, values = self._first.get((piece.layer, piece.head)), piece.values
        if first is None or piece.offset + len(values) > self._block:
            raise _broken(
                f"a piece for layer {piece.layer}, head {piece.head} at {piece.offset}, which was not announced"
            )
        start = first + piece.offset
        self._data[start : start + len(values)] = values
        self._missing -= len(values)

    def array(self) -> Array:
        if self._missing:
            raise _broken(f"{abs(self._missing):,} bytes too {'few' if self._missing > 0 else 'many'}")
        return np.frombuffer(self._data, self._dtype).astype(np.float32, copy=False).reshape(self._shape)


def _broken(what: str) -> ClientError:
    return ClientError(grpc.StatusCode.DATA_LOSS, f"the reply of Explain has {what}")
