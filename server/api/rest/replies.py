"""Messages as JSON: fields under their names in the protos, those that are not set with their defaults."""

import base64
import json
import math
from typing import Any, Literal

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from vitscope.server.api.rest.names import names_of
from vitscope.v1 import maps_pb2

Values = Literal["base64", "lists"]
"""How the values of maps are written: base64 of the bytes that gRPC sends, or a list of numbers for each row."""

MAP = maps_pb2.Map.DESCRIPTOR.full_name
_DTYPES = {maps_pb2.DATA_TYPE_FLOAT32: "<f4", maps_pb2.DATA_TYPE_FLOAT16: "<f2", maps_pb2.DATA_TYPE_UINT8: "u1"}


def to_json(message: Message, values: Values = "base64") -> bytes:
    """Return a message as JSON in UTF-8."""
    return json.dumps(to_fields(message, values), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def to_fields(message: Message, values: Values = "base64") -> dict[str, Any]:
    """Return a message as what JSON consists of."""
    found = {
        field.name: _value(field, getattr(message, field.name), values)
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }
    if values == "lists" and isinstance(message, maps_pb2.Map):
        found["values"] = _rows(message)
    return found


def _value(field: Any, value: Any, values: Values) -> Any:
    if field.is_repeated:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return dict(sorted(value.items()))
        return [_single(field, item, values) for item in value]
    return _single(field, value, values)


def _single(field: Any, value: Any, values: Values) -> Any:
    if field.message_type is not None:
        return to_fields(value, values)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if field.type == FieldDescriptor.TYPE_ENUM:
        return names_of(field.enum_type).get(value, "unspecified")
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _float32(value)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return value if math.isfinite(value) else None
    return value


def _rows(item: maps_pb2.Map) -> list[list[float | None]]:
    """Return the values of a map, a list for each row of the grid."""
    read = np.frombuffer(item.values, _DTYPES[item.dtype])
    if item.dtype == maps_pb2.DATA_TYPE_UINT8:
        read = read * item.scale + item.offset
    return [[_float32(value) for value in row] for row in read.reshape(item.rows, item.cols).tolist()]


def _float32(value: float) -> float | None:
    """Return the shortest number that is read as the same float32; None for what JSON has no number for."""
    if not math.isfinite(value):
        return None
    for digits in (7, 8):
        short = float(f"{value:.{digits}g}")
        if np.float32(short) == value:
            return short
    return float(f"{value:.9g}")
