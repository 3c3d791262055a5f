"""What a report has of each photo, asked of a server."""

import base64
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from vitscope.client.commands.inputs import Source
from vitscope.client.internals.result import Explained
from vitscope.client.model import Model
from vitscope.client.report.messages import to_fields
from vitscope.client.request import Options
from vitscope.client.result import Result
from vitscope.client.sync import Client

BASE, MATRICES = ("token_norms", "updates", "lens"), ("matrices", "queries", "keys", "values")
_AT_ONCE, _LENS = 48 * 2**20, 8 * 2**20  # as in explorer/page/encoder/plan.js
_TOP = 5


@dataclass(frozen=True)
class Photo:
    """One photo: its name, its file, what the model said, and what the page needs of it as JSON."""

    name: str
    data: bytes
    result: Result
    evidence: Result | None
    inside: bytes

    def fields(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.result.classes[0].label,
            "type": Image.MIME[Image.open(io.BytesIO(self.data)).format or "JPEG"],
            "data": base64.b64encode(self.data).decode(),
            "answer": to_fields(self.result.raw),
            "evidence": to_fields(self.evidence.raw)["maps"] if self.evidence else [],
            "inside": base64.b64encode(self.inside).decode(),
        }


def record(client: Client, model: Model, source: Source, name: str, whole: bool) -> Photo:
    """Ask about one photo. whole: with the inside of the encoder. Raises ClientError and OSError."""
    data = source.image if isinstance(source.image, bytes) else source.image.read_bytes()
    of = Options(model=model.name, version=model.version, top_k=10)
    asked = of.copy()
    if model.methods:
        asked["method"] = "attention" if "attention" in model.methods else model.methods[0]
    if "attention" in model.methods and model.tokens.attention_from:
        asked["attention"], asked["heads"] = "all", "all"
    result, evidence = client.classify(data, **asked), None
    if "evidence" in model.methods:
        of["method"], of["top_classes"] = "evidence", _TOP
        evidence = client.classify(data, **of)
    inside = _inside(client, model, data) if whole and model.explain_parts else b""
    return Photo(name, data, result, evidence, inside)


def inside_bytes(model: Model) -> int:
    """Return the bytes of the matrices, queries, keys and values of one photo."""
    count = _tokens(model)
    return 2 * model.layers * (model.heads * count**2 + 3 * count * model.width)


def _tokens(model: Model) -> int:
    one = model.tokens
    return one.cls_tokens + one.distillation_tokens + one.register_tokens + one.grid_rows * one.grid_cols


def _inside(client: Client, model: Model, data: bytes) -> bytes:
    parts = [part for part in BASE if part in model.explain_parts]
    if inside_bytes(model) <= _AT_ONCE:
        parts += MATRICES
    every = 2 * (model.layers + 1) * _tokens(model) * len(model.labels) <= _LENS and "lens" in parts
    explained = client.explain(
        data,
        model=model.name,
        version=model.version,
        parts=parts,
        lens_classes=range(len(model.labels)) if every else (),
        dtype="float16",
    )
    return container(explained)


def container(explained: Explained) -> bytes:
    """Return the reply of Explain as /api/v1/explain has it: the length of the head, the head, and the values."""
    head, blocks, offset = to_fields(explained.header), [], 0
    for part in head["parts"]:
        values = np.asarray(getattr(explained, part["part"]), "<f2").tobytes()
        values += bytes(-len(values) % 8)
        part |= {"offset": offset, "bytes": len(values)}
        blocks.append(values)
        offset += len(values)
    text = json.dumps(head).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return len(text).to_bytes(4, "little") + text + b"".join(blocks)
