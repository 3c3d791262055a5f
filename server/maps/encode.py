"""Encoding of the values of a map as bytes."""

from dataclasses import dataclass

import numpy as np

from vitscope.server.maps.options import Dtype

_LARGEST_HALF = np.float32(np.finfo(np.float16).max)
_LEAST_NORMAL_HALF = np.float32(2**-14)


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


def to_half(values: np.ndarray) -> np.ndarray:
    """Round float32 values to the nearest float16, little-endian; those beyond its range to its largest.

    numpy takes ten times as long where many values are below float16's normal range, 6e-5, as shares of attention are.
    """
    clipped = np.clip(values, -_LARGEST_HALF, _LARGEST_HALF)
    small = np.abs(clipped) < _LEAST_NORMAL_HALF
    half = np.where(small, np.float32(0), clipped).astype("<f2")
    # There, a float16 is a whole number of 2**-24: its bits are that number, and the sign.
    steps = np.rint(np.abs(clipped[small]) * np.float32(2**24)).astype("<u2")
    half.view("<u2")[small] = steps | (np.signbit(clipped[small]).astype("<u2") << np.uint16(15))
    return half
