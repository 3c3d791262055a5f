"""Encoding of the values of a map as bytes."""

from dataclasses import dataclass

import numpy as np

from vitscope.server.maps.options import Dtype


@dataclass(frozen=True)
class Encoded:
    """Little-endian values, row-major from the top left. For uint8, value = byte * scale + offset; else 1 and 0."""

    data: bytes
    dtype: Dtype
    scale: float = 1.0
    offset: float = 0.0


def encode(values: np.ndarray, dtype: Dtype) -> Encoded:
    """Return float32 values of any shape as `dtype`.

    float16 rounds to nearest. uint8 spans min..max in 255 equal steps, so the error is at most half a step.
    """
    if dtype == "float32":
        return Encoded(values.astype("<f4").tobytes(), dtype)
    if dtype == "float16":
        return Encoded(values.astype("<f2").tobytes(), dtype)
    offset = float(values.min())
    scale = float(np.float32((float(values.max()) - offset) / 255))  # as the caller will read it
    if not scale:  # a constant map, or one whose range vanishes in float32
        return Encoded(bytes(values.size), dtype, 1.0, offset)
    steps = np.rint((values.astype(np.float64) - offset) / scale)
    return Encoded(steps.clip(0, 255).astype(np.uint8).tobytes(), dtype, scale, offset)
