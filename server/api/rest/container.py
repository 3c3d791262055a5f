"""Arrays over HTTP: a head in JSON, which says where each stands, and then their values, little-endian."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

CONTENT_TYPE = "application/vnd.vitscope.arrays"

# Values begin at a multiple of this many bytes, so that they can be read where they stand.
_ALIGNED = 8


@dataclass(slots=True)
class Container:
    """A reply of arrays. head: see `encode_head`. pieces: what follows, `values` bytes in all, given once."""

    head: bytes
    pieces: Iterator[bytes]
    values: int

    @property
    def size(self) -> int:
        """Count the bytes of the whole."""
        return len(self.head) + self.values


def pack(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a container of whole arrays of float32. The head gets their places, as `arrays`."""
    places: dict[str, Any] = {}
    values, offset = list[bytes](), 0
    for name, array in arrays.items():
        places[name] = {"shape": list(array.shape), "dtype": "float32", "offset": offset}
        values.append(np.ascontiguousarray(array, "<f4").tobytes())
        offset += len(values[-1])
    return b"".join([encode_head({**head, "arrays": places}), *values])


def encode_head(head: Mapping[str, Any]) -> bytes:
    """Return what stands before the values: the length of the JSON as uint32, and the JSON, padded with spaces."""
    text = json.dumps(head, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(4 + len(text)) % _ALIGNED)
    return struct.pack("<I", len(text)) + text
