"""Conversion between Python values and proto fields and enums.

An enum value such as COLOR_MAP_VIRIDIS is spelled "viridis" in Python.
"""

from collections.abc import Sequence
from typing import Any

from vitscope.client.errors import InvalidRequest
from vitscope.v1 import model_pb2


def set_field(message: Any, field: str, value: float | str, option: str = "") -> None:
    """Set a number or text. Raises InvalidRequest for a wrong type or a number out of the field's range.

    It names `option`, which is called like the field unless given.
    """
    try:
        setattr(message, field, value)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{option or field}: {value!r}; accepted: {_kind(message, field)}") from error


def extend_field(message: Any, field: str, option: str, values: Sequence[int] | Sequence[str]) -> None:
    """Append to a repeated field. Raises InvalidRequest, which names `option`."""
    try:
        getattr(message, field).extend(values)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{option}: {values!r}; accepted: a list of {_kind(message, field)}s") from error


def enum_names(enum: Any, prefix: str) -> list[str]:
    """Return the names of all values but UNSPECIFIED, without the prefix and in lower case."""
    names = [name.removeprefix(f"{prefix}_").lower() for name in enum.keys()]  # noqa: SIM118
    return [name for name in names if name != "unspecified"]


def enum_name(enum: Any, prefix: str, number: int) -> str:
    """Return the name of a received value; "unspecified" for a number that this version does not know.

    proto3 enums are open: a newer server may send such a number.
    """
    if number not in enum.values():
        return "unspecified"
    name: str = enum.Name(number)
    return name.removeprefix(f"{prefix}_").lower()


def activation_name(number: int) -> str:
    """Return the name of a received activation: "softmax" where the server is older than that field."""
    if number == model_pb2.ACTIVATION_UNSPECIFIED:
        return "softmax"
    return enum_name(model_pb2.Activation, "ACTIVATION", number)


def enum_value(enum: Any, prefix: str, field: str, name: str) -> Any:
    """Return the enum value of a name. Raises InvalidRequest, which lists the accepted names."""
    accepted = enum_names(enum, prefix)
    if name not in accepted:
        raise InvalidRequest(f"{field}: {name!r}; accepted: {', '.join(accepted)}")
    return enum.Value(f"{prefix}_{name.upper()}")


def _kind(message: Any, field: str) -> str:
    descriptor = message.DESCRIPTOR.fields_by_name[field]
    kinds = {descriptor.TYPE_UINT32: "whole number from 0", descriptor.TYPE_INT32: "whole number"}
    kinds[descriptor.TYPE_STRING] = "text"
    return kinds.get(descriptor.type, "number")
