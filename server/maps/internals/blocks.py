"""Cutting the chosen blocks out of the outputs of the graph `full`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vitscope.server.maps.encode import to_half
from vitscope.server.maps.internals.options import Part
from vitscope.server.maps.internals.selection import Blocks, Selection
from vitscope.server.maps.map import Outputs
from vitscope.server.maps.rollout import rollout

WHOLE = -1
"""Layer and head of a part that is one block."""


@dataclass(slots=True)
class Block:
    """The values of one part, layer and head: little-endian, row-major."""

    part: Part
    layer: int
    head: int
    values: np.ndarray

    def pieces(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes, at most `size` at a time, each with its offset in the block."""
        data = self.values.data.cast("B")
        for offset in range(0, len(data), size):
            yield offset, bytes(data[offset : offset + size])


@dataclass(slots=True)
class Internals:
    """What one request gets. classes: of the lens. blocks: in the order in which they are sent."""

    selection: Selection
    classes: tuple[int, ...]
    blocks: list[Block]


def cut(selection: Selection, outputs: Outputs, answered: Sequence[int]) -> Internals:
    """Copy the chosen blocks, so that the outputs can be freed. answered: the classes of the answer, by index.

    Takes up to some hundred milliseconds for the largest models.
    """
    classes = selection.lens_classes or tuple(answered)
    return Internals(
        selection,
        classes,
        [
            Block(blocks.part, layer, head, _encoded(values, selection.dtype))
            for blocks in selection.parts
            for layer, head, values in _blocks(blocks, selection, outputs, classes)
        ],
    )


def _encoded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return a copy, little-endian and row-major: a view would keep all outputs."""
    return to_half(np.ascontiguousarray(values)) if dtype == "float16" else np.array(values, "<f4", order="C")


def _blocks(
    blocks: Blocks, selection: Selection, outputs: Outputs, classes: Sequence[int]
) -> Iterator[tuple[int, int, np.ndarray]]:
    tokens, prefix = list(blocks.tokens), selection.manifest.tokens.prefix
    match blocks.part:
        case "rollout":
            yield WHOLE, WHOLE, rollout(outputs["matrices"], tokens, selection.rollout, prefix)
        case "lens":
            yield WHOLE, WHOLE, outputs["lens"][..., list(classes)]
        case "token_norms" | "updates":
            yield WHOLE, WHOLE, outputs[blocks.part]
        case part:
            for layer in blocks.layers:
                for head in blocks.heads:
                    if part == "rows":
                        yield layer, head, outputs["matrices"][layer, head, tokens]
                    elif part == "columns":
                        yield layer, head, outputs["matrices"][layer, head][:, tokens].T
                    else:
                        yield layer, head, outputs[part][layer, head]
