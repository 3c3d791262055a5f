"""A caller gets back the values that were sent, as exactly as the type allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vitscope.server.maps.encode import Encoded, encode, to_half

SHARES = arrays(np.float32, (3, 5), elements=st.floats(0, 1, width=32))


def _decoded(encoded: Encoded) -> np.ndarray:
    raw = np.frombuffer(encoded.data, {"float32": "<f4", "float16": "<f2", "uint8": "u1"}[encoded.dtype])
    return (raw.astype(np.float64) * np.float32(encoded.scale) + np.float32(encoded.offset)).reshape(3, 5)


@given(SHARES)
def test_float32_is_exact(values: np.ndarray) -> None:
    encoded = encode(values, "float32")
    assert len(encoded.data) == values.size * 4
    assert np.array_equal(_decoded(encoded), values)


@given(SHARES)
def test_float16_keeps_three_digits(values: np.ndarray) -> None:
    encoded = encode(values, "float16")
    assert len(encoded.data) == values.size * 2
    np.testing.assert_allclose(_decoded(encoded), values, rtol=2**-11, atol=2**-25)


@given(SHARES)
def test_uint8_is_within_half_a_step(values: np.ndarray) -> None:
    encoded = encode(values, "uint8")
    assert len(encoded.data) == values.size
    step = (float(values.max()) - float(values.min())) / 255
    assert np.abs(_decoded(encoded) - values).max() <= 0.501 * step + 1e-38


def test_uint8_uses_all_of_its_range() -> None:
    encoded = encode(np.array([[0.25, 0.35, 0.75]], np.float32), "uint8")
    assert list(encoded.data) == [0, 51, 255]
    assert (encoded.offset, encoded.scale) == (0.25, pytest.approx(0.5 / 255))


@pytest.mark.parametrize("value", [0.0, 1 / 196, 1.0])
def test_a_constant_map_is_its_offset(value: float) -> None:
    encoded = encode(np.full((3, 5), value, np.float32), "uint8")
    assert (encoded.data, encoded.scale) == (bytes(15), 1.0)
    assert np.array_equal(_decoded(encoded), np.full((3, 5), value, np.float32))


def test_values_are_row_major_and_little_endian_whatever_the_memory_is() -> None:
    values = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
    assert encode(values, "float32").data == np.arange(6, dtype="<f4").tobytes()


def test_half_precision_is_that_of_numpy() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 200_000, np.uint32)
    values = bits.view(np.float32)
    edges = np.array([0.0, -0.0, 2**-24, 2**-25, 3 * 2**-25, 2**-14, 65504, -1e-7, 6.1e-5, -6.09e-5], np.float32)
    values = np.concatenate([values[np.abs(values) < 65504], edges])
    with np.errstate(under="ignore"):
        expected = values.astype("<f2")
    np.testing.assert_array_equal(to_half(values).view(np.uint16), expected.view(np.uint16))
    assert to_half(np.array([1e9, -np.inf], np.float32)).tolist() == [65504, -65504]
