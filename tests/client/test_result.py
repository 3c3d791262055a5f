"""Results from responses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.client.servicer import COLS, HEADS, LABELS, LAYERS, ROWS, answer, map_of
from vitscope.client.request import RenderingOptions, classify_request
from vitscope.client.result import AttentionMap, Result, map_values
from vitscope.v1 import maps_pb2

PIXELS = np.zeros((48, 64, 3), np.uint8)

ARRAYS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(0, 1, width=32))


@given(ARRAYS)
def test_float32_values_arrive_exactly(values: np.ndarray) -> None:
    rows, cols = values.shape
    message = maps_pb2.Map(rows=rows, cols=cols, values=values.astype("<f4").tobytes())
    assert np.array_equal(map_values(message), values)
    message.dtype = maps_pb2.DATA_TYPE_FLOAT32
    assert np.array_equal(map_values(message), values)


@given(ARRAYS)
def test_float16_values_arrive_as_float32(values: np.ndarray) -> None:
    half = values.astype("<f2")
    rows, cols = values.shape
    message = maps_pb2.Map(rows=rows, cols=cols, values=half.tobytes(), dtype=maps_pb2.DATA_TYPE_FLOAT16)
    assert map_values(message).dtype == np.float32
    assert np.array_equal(map_values(message), half.astype(np.float32))


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2)), st.floats(0.001, 1), st.floats(-1, 1))
def test_uint8_values_are_scaled(values: np.ndarray, scale: float, offset: float) -> None:
    rows, cols = values.shape
    message = maps_pb2.Map(
        rows=rows, cols=cols, values=values.tobytes(), dtype=maps_pb2.DATA_TYPE_UINT8, scale=scale, offset=offset
    )
    assert map_values(message).dtype == np.float32
    np.testing.assert_allclose(map_values(message), values * scale + offset, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-7), ("float16", 1e-4), ("uint8", 1e-3)])
def test_maps_of_a_response(dtype: str, error: float) -> None:
    request = classify_request(PIXELS, attention="all", heads="all", dtype=dtype)
    maps = Result.of(answer(request)).maps
    assert [(one.layer, one.head) for one in maps] == [
        (layer, head) for layer in range(LAYERS) for head in range(HEADS)
    ]
    for one in maps:
        assert one.values.shape == (ROWS, COLS)
        np.testing.assert_allclose(one.values, map_of(one.layer, one.head or 0), atol=error)
        assert one.values.sum() + one.cls == pytest.approx(1, abs=ROWS * COLS * error)
        assert one.picture is None


def test_the_mean_over_the_heads_has_no_head_and_a_picture_when_asked_for() -> None:
    (one,) = Result.of(answer(classify_request(PIXELS, attention="last", rendering=RenderingOptions()))).maps
    assert (one.layer, one.head) == (LAYERS - 1, None)
    assert one.picture is not None
    assert one.picture.data.startswith(b"\x89PNG")
    assert (one.picture.width, one.picture.height) == (64, 48)


def test_the_rest_of_a_response() -> None:
    message = answer(classify_request(PIXELS, top_k=3, version=2))
    result = Result.of(message)
    assert result.raw is message
    assert (result.model, result.version, result.maps) == ("fashion", 2, ())
    assert [one.label for one in result.classes] == [LABELS[one.index] for one in result.classes]
    assert sorted((one.probability for one in result.classes), reverse=True) == [
        one.probability for one in result.classes
    ]
    assert (result.geometry.image_size, result.geometry.model_size) == ((64, 48), (28, 20))
    assert result.geometry.seen == (0, 0, 64, 48)
    np.testing.assert_allclose(result.geometry.grid_to_image @ (COLS, ROWS, 1), (64, 48))
    assert list(result.timing.stages) == ["receive", "decode", "queue", "batch", "infer", "maps"]
    assert (result.timing.total, result.timing.stages["infer"]) == (0.0123, 0.0098)
    assert (result.timing.batch_size, result.timing.engine) == (4, "openvino/bf16")


def test_a_map_about_a_class_says_which_and_what_is_left() -> None:
    about = maps_pb2.ClassShares(index=3, rest=0.25)
    values = np.ones((2, 2), "<f4").tobytes()
    message = maps_pb2.Map(method=maps_pb2.MAP_METHOD_CAM, head=-1, rows=2, cols=2, values=values, about=about)
    one = AttentionMap.of(message)
    assert (one.method, one.head, one.class_index, one.rest) == ("cam", None, 3, 0.25)
    attention = AttentionMap.of(maps_pb2.Map(method=maps_pb2.MAP_METHOD_ATTENTION, rows=2, cols=2, values=values))
    assert (attention.method, attention.class_index, attention.rest) == ("attention", None, None)
