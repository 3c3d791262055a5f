"""Messages as JSON: nothing is lost, and numbers are as short as float32 allows."""

import base64
import json
import math

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.api.rest.replies import Values, to_json
from vitscope.server.maps.encode import encode
from vitscope.v1 import classifier_pb2, maps_pb2, model_pb2

GRID = np.array([[0.1, -0.25, 3], [1e-8, 0, 1]], np.float32)


def a_map(dtype: str) -> maps_pb2.Map:
    encoded = encode(GRID, dtype)  # type: ignore[arg-type]
    number = maps_pb2.DataType.Value(f"DATA_TYPE_{dtype.upper()}")
    return maps_pb2.Map(
        method=maps_pb2.MAP_METHOD_ATTENTION,
        rows=2,
        cols=3,
        dtype=number,
        values=encoded.data,
        scale=encoded.scale,
        offset=encoded.offset,
    )


def read(message: object, values: Values = "base64") -> dict[str, object]:
    found = json.loads(to_json(message, values))  # type: ignore[arg-type]
    assert isinstance(found, dict)
    return found


def test_fields_have_the_names_of_the_protos_and_their_defaults() -> None:
    reply = classifier_pb2.ClassifyResponse(maps=[a_map("float32")], model="m", activation=model_pb2.ACTIVATION_SIGMOID)
    expected = MessageToDict(reply, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    expected["activation"] = "sigmoid"
    expected["maps"][0] |= {"method": "attention", "dtype": "float32"}
    assert read(reply) == expected
    assert "about" not in expected["maps"][0]


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0), ("float16", 2e-3), ("uint8", 3.25 / 255 / 2 + 1e-6)])
def test_values_of_maps_are_bytes_or_lists_of_rows(dtype: str, error: float) -> None:
    message = a_map(dtype)
    assert base64.b64decode(str(read(message)["values"])) == message.values
    rows = np.array(read(message, "lists")["values"], np.float32)
    assert rows.shape == (2, 3) and np.abs(rows - GRID).max() <= error


@given(st.floats(width=32))
def test_numbers_are_read_as_the_same_float32(value: float) -> None:
    found = read(classifier_pb2.Class(probability=value))["probability"]
    if not math.isfinite(value):
        assert found is None
    else:
        assert isinstance(found, float) and np.float32(found) == np.float32(value)
        assert len(repr(found)) <= len(repr(value))


def test_numbers_that_no_json_has_are_null_in_lists_too() -> None:
    message = maps_pb2.Map(rows=1, cols=2, dtype=maps_pb2.DATA_TYPE_FLOAT32)
    message.values = np.array([np.nan, 1], "<f4").tobytes()
    assert read(message, "lists")["values"] == [[None, 1]]


def test_an_enum_of_a_newer_server_does_not_fail() -> None:
    assert read(classifier_pb2.ClassifyResponse(activation=99))["activation"] == "unspecified"  # type: ignore[arg-type]
