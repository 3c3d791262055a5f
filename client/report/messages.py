"""Messages as the JSON API has them."""

import base64
import math
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message


def to_fields(message: Message) -> dict[str, Any]:
    """Return a message as what JSON consists of: names of the protos, enum values in lower case, bytes as base64."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    if not field.is_repeated:
        return _single(field, value)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(sorted(value.items()))
    return [_single(field, item) for item in value]


def _single(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return to_fields(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if field.type == FieldDescriptor.TYPE_ENUM:
        names = {each.number: each.name for each in field.enum_type.values}
        prefix = names[0].removesuffix("UNSPECIFIED")
        return names.get(value, "UNSPECIFIED").removeprefix(prefix).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
