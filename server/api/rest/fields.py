"""A JSON object as a message: fields under their names in the protos, as grpcurl takes them."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from google.protobuf.message import Message

from vitscope.server.api.rest.values import from_json, quoted
from vitscope.server.errors import InvalidRequest


def read_fields(message: Message, given: object, path: str = "") -> None:
    """Set the fields of a message from a decoded JSON object. path: of the message in the request; empty for the whole.

    Raises InvalidRequest with the path of the field that cannot be used.
    """
    if not isinstance(given, Mapping):
        raise InvalidRequest(path or "body", quoted(given), "an object")
    for name, value in given.items():
        field = field_of(message, name, path)
        where = joined(path, name)
        if field.is_repeated:
            _read_list(message, field, where, value)
        elif field.message_type is not None:
            choose(message, field, where)
            part = getattr(message, name)
            part.SetInParent()
            read_fields(part, value, where)
        else:
            choose(message, field, where)
            setattr(message, name, from_json(field, where, value))


def field_of(message: Message, name: str, path: str) -> Any:
    """Return the descriptor of a field. Raises InvalidRequest if the message has none of this name."""
    fields = message.DESCRIPTOR.fields_by_name
    if name not in fields:
        close = get_close_matches(name, fields, n=1)
        known = f"{close[0]}, which is close to it, or" if close else "one of"
        raise InvalidRequest(joined(path, name)[:100], "there is no such field", f"{known} {', '.join(fields)}")
    return fields[name]


def choose(message: Message, field: Any, path: str) -> None:
    """Raise InvalidRequest if another field is set of those of which one may be."""
    oneof = field.containing_oneof
    if oneof is not None and (other := message.WhichOneof(oneof.name)) not in (None, field.name):
        raise InvalidRequest(path, f"given beside {other}", " or ".join(each.name for each in oneof.fields))


def joined(path: str, name: str) -> str:
    """Return the path of a field of the message at `path`."""
    return f"{path}.{name}" if path else name


def _read_list(message: Message, field: Any, path: str, value: object) -> None:
    if not isinstance(value, list):
        raise InvalidRequest(path, quoted(value), "a list")
    items = getattr(message, field.name)
    for number, item in enumerate(value):
        if field.message_type is not None:
            read_fields(items.add(), item, f"{path}[{number}]")
        else:
            items.append(from_json(field, path, item))
