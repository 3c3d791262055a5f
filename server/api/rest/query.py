"""Pairs of names and values, from a query or a form, as a message: `maps.layers=0,3` is {"maps": {"layers": [0,3]}}."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from vitscope.server.api.rest.fields import choose, field_of, joined, read_fields
from vitscope.server.api.rest.parse import parse_object
from vitscope.server.api.rest.values import from_text, quoted
from vitscope.server.errors import InvalidRequest


def read_pairs(message: Message, pairs: Iterable[tuple[str, str | bytes]]) -> None:
    """Set fields of a message. A value in bytes is the content of a file.

    A message itself is given as `true`, which asks for its defaults, or as JSON; a list with commas between its items,
    or by repeating its name. Raises InvalidRequest with the path of the field that cannot be used.
    """
    given = set[str]()
    for name, value in pairs:
        part, field, path = _find(message, name)
        if name in given and not field.is_repeated:
            raise InvalidRequest(name, "given twice", "one value")
        given.add(name)
        if isinstance(value, bytes):
            if field.type != FieldDescriptor.TYPE_BYTES:
                raise InvalidRequest(name, "a file", "a value, without a file name")
            choose(part, field, path)
            setattr(part, field.name, value)
        elif field.type == FieldDescriptor.TYPE_BYTES:
            raise InvalidRequest(name, "a value", "a file, as a part of a form that has a file name")
        elif field.message_type is not None and not field.is_repeated:
            _read_message(part, field, path, value)
        elif field.message_type is not None:
            raise InvalidRequest(name, "a value", "a list of objects, in a body of JSON")
        elif field.is_repeated:
            items = [from_text(field, path, item.strip()) for item in value.split(",")] if value else []
            getattr(part, field.name).extend(items)
        else:
            choose(part, field, path)
            setattr(part, field.name, from_text(field, path, value))


def _find(message: Message, name: str) -> tuple[Message, Any, str]:
    """Return the message that holds a field, the field, and its path. The messages around it are set."""
    *around, last = name.split(".")
    path = ""
    for step in around:
        field = field_of(message, step, path)
        path = joined(path, step)
        if field.message_type is None or field.is_repeated:
            raise InvalidRequest(name[:100], f"{path} has no fields", path)
        choose(message, field, path)
        message = getattr(message, step)
        message.SetInParent()
    return message, field_of(message, last, path), joined(path, last)


def _read_message(message: Message, field: Any, path: str, text: str) -> None:
    choose(message, field, path)
    part = getattr(message, field.name)
    if text == "true":
        part.SetInParent()
    elif text.startswith("{"):
        part.SetInParent()
        read_fields(part, parse_object(path, text.encode()), path)
    elif text != "false":
        raise InvalidRequest(path, quoted(text), "true, false, or an object in JSON")
