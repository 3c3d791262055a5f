"""Messages as JSON Schema (2020-12), by the descriptors and comments of the protos."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from vitscope.server.api.rest.comments import comments
from vitscope.server.api.rest.described import Schema
from vitscope.server.api.rest.names import names_of
from vitscope.server.api.rest.replies import MAP
from vitscope.server.api.rest.values import INTEGERS
from vitscope.v1 import explain_pb2, image_pb2

_IMAGE = image_pb2.Image.DESCRIPTOR.full_name
_NUMBERS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
# What a list of numbers for each row looks like, instead of base64.
_ROWS = {"type": "array", "items": {"type": "array", "items": {"type": ["number", "null"]}}}


# What JSON has of the blocks of a part beside the message.
_PLACES = {
    "offset": {"type": "integer", "description": "Bytes after the head at which the first of its blocks begins."},
    "bytes": {"type": "integer", "description": "Bytes of all its blocks, which follow one another."},
}


class Schemas:
    """Collects the schemas of messages and of the messages in them. reply: whether they are what the server writes."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def add(self, message: Any, reply: bool) -> Schema:
        """Return a reference to the schema of a message, given by its descriptor, or to one that is made already."""
        if isinstance(message, dict):
            self.found[message["title"]] = message
            return {"$ref": f"#/components/schemas/{message['title']}"}
        if message.name not in self.found:
            self.found[message.name] = {}  # while it is made, lest a message hold itself
            self.found[message.name] = self._message(message, reply)
        return {"$ref": f"#/components/schemas/{message.name}"}

    def field(self, field: Any, reply: bool = False) -> Schema:
        """Return the schema of the value of a field."""
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._single(field.message_type.fields[1], reply)}
        one = self._single(field, reply)
        return {"type": "array", "items": one} if field.is_repeated else one

    def _message(self, message: Any, reply: bool) -> Schema:
        properties = {field.name: self._described(message, field, reply) for field in message.fields}
        if message.full_name == explain_pb2.ExplainBlocks.DESCRIPTOR.full_name:
            properties |= _PLACES
        schema: Schema = {"type": "object", "properties": properties}
        if text := comments().get(message.full_name):
            schema = {"description": text} | schema
        if reply:
            optional = {field.name for field in message.fields if field.has_presence}
            schema["required"] = [name for name in properties if name not in optional]
        else:
            schema["additionalProperties"] = False
            for oneof in message.oneofs:
                found: list[Schema] = [{"required": [field.name]} for field in oneof.fields]
                if message.full_name != _IMAGE:  # an image has exactly one source; of other things there may be none
                    found.append({"not": {"anyOf": found.copy()}})
                schema.setdefault("allOf", []).append({"oneOf": found})
        return schema

    def _described(self, message: Any, field: Any, reply: bool) -> Schema:
        schema = self.field(field, reply)
        if message.full_name == MAP and field.name == "values":
            schema = {"anyOf": [schema, _ROWS]}
        text = comments().get(field.full_name)
        return schema if text is None else {"description": text} | schema

    def _single(self, field: Any, reply: bool) -> Schema:
        if field.message_type is not None:
            return self.add(field.message_type, reply)
        kind = field.cpp_type
        if kind in INTEGERS:
            low, high = INTEGERS[kind]
            return {"type": "integer", "minimum": low, "maximum": high}
        if kind in _NUMBERS:
            return {"type": ["number", "null"] if reply else "number"}
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return {"type": "boolean"}
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return _enum(field.enum_type)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        return {"type": "string"}


def leaves(message: Any, schemas: Schemas, path: str = "") -> Iterator[tuple[str, Schema, bool]]:
    """Yield path, schema, and whether it is a list, of each field that can be given as text: no bytes."""
    for field in message.fields:
        where = f"{path}{field.name}"
        described = {"description": comments().get(field.full_name, "")}
        if field.message_type is not None and not field.is_repeated:
            inner = list(leaves(field.message_type, schemas, f"{where}."))
            if inner and not any(each.type == FieldDescriptor.TYPE_BYTES for each in field.message_type.fields):
                yield where, described | {"type": "string", "enum": ["true", "false"]}, False
                yield from inner
        elif field.message_type is None and field.type != FieldDescriptor.TYPE_BYTES:
            yield where, described | schemas.field(field), field.is_repeated


def _enum(enum: Any) -> Schema:
    names = names_of(enum)
    texts = {number: comments().get(f"{enum.full_name}.{enum.values_by_number[number].name}") for number in names}
    described = "\n".join(f"{names[number]}: {text}" for number, text in texts.items() if text)
    return {"type": "string", "enum": list(names.values()), "description": described}
