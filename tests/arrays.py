"""Replies with arrays, as the JSON API sends them."""

import json
import struct
from typing import Any

import numpy as np

KIND = "application/vnd.vitscope.arrays"


def split(body: bytes) -> tuple[Any, bytes]:
    """Return the head and the values."""
    (length,) = struct.unpack("<I", body[:4])
    assert (4 + length) % 8 == 0
    return json.loads(body[4 : 4 + length]), body[4 + length :]


def parts(head: Any, values: bytes) -> dict[str, np.ndarray]:
    """Return the parts of an explanation by name, each [layers, heads, ...], or one block."""
    found = {}
    for part in head["parts"]:
        block = np.frombuffer(
            values[part["offset"] :][: part["bytes"]], {"float32": "<f4", "float16": "<f2"}[head["dtype"]]
        )
        around = [len(part["layers"]), len(part["heads"])] if part["layers"] else []
        found[part["part"]] = block.reshape(*around, *part["shape"])
    return found
