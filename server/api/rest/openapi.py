"""The OpenAPI 3.1 document, made of what the server itself goes by: its routes, the protos and their comments."""

import re
from typing import Any, get_args

from vitscope.server.api.rest.body import BYTES, FORM, JSON
from vitscope.server.api.rest.comments import comments
from vitscope.server.api.rest.container import CONTENT_TYPE as ARRAYS
from vitscope.server.api.rest.described import Schema
from vitscope.server.api.rest.options import LONGEST, TIMEOUT_HEADER
from vitscope.server.api.rest.problems import CODES, CONTENT_TYPE, HTTP
from vitscope.server.api.rest.replies import Values
from vitscope.server.api.rest.routes import OPERATIONS, STATUSES, Operation
from vitscope.server.api.rest.schema import Schemas, leaves

_PACKAGE = "vitscope.v1"
_ABOUT = (
    "The calls of vitscope.v1.ClassifierService and ExplainService over HTTP, with the same messages: fields have the "
    "names of the protos, enum values their names in lower case without the prefix, bytes are base64. Limits, "
    "fairness, deadlines and the texts of errors are those of gRPC.\n\n"
    "A caller is one connection: clients that send many requests keep theirs open."
)
_ARRAYS = (
    "A head in JSON, and the values that it describes. First the length n of the head as uint32, little-endian; then n "
    "bytes of UTF-8, padded with spaces so that 4 + n is a multiple of 8; then the values, little-endian, row-major."
)
_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST}
_TIMEOUT = "Seconds until the answer is of no use. What cannot be answered by then is refused at once, or given up."
_VALUES = "How the values of maps are written: base64 of the bytes that gRPC sends, or a list of numbers for each row."
_FORM = "A file in the field image; other fields as in the query."


def document(version: str) -> Schema:
    """Return the document. version: of the service."""
    schemas = Schemas()
    schemas.found["Problem"] = _problem()
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vitscope",
            "version": version,
            "description": _ABOUT,
        },
        "servers": [{"url": "/", "description": "this server"}],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.found.items())), "responses": {"Problem": _problem_reply()}},
    }


def _operation(operation: Operation, schemas: Schemas) -> Schema:
    statuses = sorted({*STATUSES, *operation.statuses})
    found: Schema = {
        "operationId": operation.name + ("_version" if "version" in operation.parameters else ""),
        "summary": comments().get(f"{_PACKAGE}.{operation.about}", operation.about),
        "parameters": [*_path(operation, schemas), *_options(), *_query(operation, schemas)],
        "responses": {
            "200": {"description": "The answer.", "content": _reply(operation, schemas)},
            **({"304": {"description": "The client has it, by its ETag."}} if operation.tagged else {}),
            **{str(status): {"$ref": "#/components/responses/Problem"} for status in statuses},
        },
    }
    if operation.request is not None:
        found["requestBody"] = _body(operation.request, schemas)
    return found


def _reply(operation: Operation, schemas: Schemas) -> Schema:
    if operation.reply is None:
        return {kind: {"schema": {"description": "The photo."}} for kind in operation.kinds}
    schema = schemas.add(operation.reply, True)
    if operation.kinds == (ARRAYS,):
        schema = {"description": _ARRAYS, "contentMediaType": ARRAYS, "contentSchema": schema}
    return {kind: {"schema": schema} for kind in operation.kinds}


def _path(operation: Operation, schemas: Schemas) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            **_named(operation.parameters[name], schemas),
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _named(parameter: Any, schemas: Schemas) -> Schema:
    if isinstance(parameter, dict):
        return {"schema": parameter}
    return {"description": comments()[parameter.full_name], "schema": schemas.field(parameter)}


def _options() -> list[Schema]:
    values = {"type": "string", "enum": list(get_args(Values)), "default": "base64"}
    return [
        {"name": TIMEOUT_HEADER, "in": "header", "description": _TIMEOUT, "schema": _SECONDS},
        {"name": "timeout", "in": "query", "description": f"As {TIMEOUT_HEADER}.", "schema": _SECONDS},
        {"name": "values", "in": "query", "description": _VALUES, "schema": values},
    ]


def _query(operation: Operation, schemas: Schemas) -> list[Schema]:
    if operation.request is None:
        return []
    lists = {"style": "form", "explode": False}
    return [
        {"name": name, "in": "query", "schema": schema} | (lists if is_list else {})
        for name, schema, is_list in leaves(operation.request, schemas)
    ]


def _body(message: Any, schemas: Schemas) -> Schema:
    file: Schema = {"type": "string", "contentMediaType": BYTES}
    fields = {name: schema for name, schema, is_list in leaves(message, schemas) if not is_list}
    form = {"type": "object", "description": _FORM, "required": ["image"], "properties": {"image": file} | fields}
    return {
        "required": True,
        "content": {
            FORM: {"schema": form, "encoding": {"image": {"contentType": f"image/*, {BYTES}"}}},
            "image/*": {"schema": {"description": "An image file."}},
            BYTES: {"schema": {"description": "An image file."}},
            JSON: {"schema": schemas.add(message, False)},
        },
    }


def _problem() -> Schema:
    codes = sorted({code.name for code in HTTP} | set(CODES.values()))
    properties = {
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What was found and what is accepted, in the words of gRPC."},
        "code": {"type": "string", "enum": codes, "description": "The status that gRPC has for it."},
        "field": {"type": "string", "description": "The path of the field in the request that cannot be used."},
        "retry_after_ms": {"type": "integer", "description": "Milliseconds after which a retry makes sense."},
        "estimated_wait_ms": {"type": "integer", "description": "Milliseconds that an answer would have taken."},
    }
    required = ["title", "status", "detail", "code"]
    return {
        "type": "object",
        "description": "Problem details (RFC 9457).",
        "required": required,
        "properties": properties,
    }


def _problem_reply() -> Schema:
    names = {int(status): status.phrase for status in (*HTTP.values(), *CODES)}
    retry = "Seconds after which a retry makes sense, where it does; the body has milliseconds."
    return {
        "description": "; ".join(f"{status}: {phrase}" for status, phrase in sorted(names.items())),
        "headers": {"Retry-After": {"description": retry, "schema": {"type": "integer"}}},
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
