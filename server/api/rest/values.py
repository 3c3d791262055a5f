"""Single values of a request's fields, as they stand in JSON, and as text in a query or a form."""

import base64
import binascii
import json
import math
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from vitscope.server.api.rest.names import numbers_of
from vitscope.server.errors import InvalidRequest

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_LARGEST = {FieldDescriptor.CPPTYPE_FLOAT: 3.4028234663852886e38, FieldDescriptor.CPPTYPE_DOUBLE: math.inf}
_LONGEST_QUOTE = 60


def from_json(field: Any, path: str, value: object) -> Any:
    """Return the value of a field that is no message, given by its descriptor. Raises InvalidRequest."""
    kind = field.cpp_type
    if kind in INTEGERS:
        return _integer(kind, path, value)
    if kind in _LARGEST:
        return _number(kind, path, value)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise InvalidRequest(path, quoted(value), "true or false")
        return value
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        numbers = numbers_of(field.enum_type)
        if not isinstance(value, str) or value not in numbers:
            raise InvalidRequest(path, quoted(value), ", ".join(numbers))
        return numbers[value]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(path, value)
    return _text(path, value)


def from_text(field: Any, path: str, text: str) -> Any:
    """Return the value of a field that is no message, from a query or a form. Raises InvalidRequest."""
    kind = field.cpp_type
    if kind in INTEGERS or kind in _LARGEST:
        try:
            return from_json(field, path, int(text) if kind in INTEGERS else float(text))
        except ValueError:
            return from_json(field, path, text)  # which refuses it
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return from_json(field, path, {"true": True, "false": False}.get(text, text))
    return from_json(field, path, text)


def quoted(value: object) -> str:
    """Return a value as JSON, short enough for the text of an error."""
    text = json.dumps(value, default=lambda other: type(other).__name__)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _integer(kind: int, path: str, value: object) -> int:
    low, high = INTEGERS[kind]
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(whole, int) or isinstance(whole, bool) or not low <= whole <= high:
        raise InvalidRequest(path, quoted(value), f"a whole number from {low} to {high}")
    return whole


def _number(kind: int, path: str, value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or abs(number) > _LARGEST[kind]:
        raise InvalidRequest(path, quoted(value), "a finite number")
    return number


def _text(path: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(path, quoted(value), "a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(path, quoted(value), "Unicode text without lone surrogates") from None
    return value


def _bytes(path: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise InvalidRequest(path, quoted(value), "base64, as a string")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(path, quoted(value), "base64 with the alphabet of RFC 4648 section 4, padded") from None
