"""Every field that a domain error can name has a place in the request."""

import ast
from pathlib import Path

from google.protobuf.descriptor import Descriptor

from tests.e2e.harness import ROOT
from vitscope.server.api.native.fields import IN_EXPLAIN, PATHS, in_request
from vitscope.server.errors import InvalidRequest, ModelNotFound
from vitscope.v1 import classifier_pb2, explain_pb2


def raised(folder: Path) -> set[str]:
    """Return the literal fields of all InvalidRequest in a folder; those passed as a variable are not found."""
    calls = (
        node
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InvalidRequest"
    )
    return {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}


def has(message: Descriptor, path: str) -> bool:
    first, _, rest = path.partition(".")
    field = message.fields_by_name.get(first)
    return field is not None and (not rest or has(field.message_type, rest))


def test_the_domain_names_bare_fields() -> None:
    for folder in ("answer", "images", "maps", "models", "scheduling", "tools"):
        assert not {field for field in raised(ROOT / "server" / folder) if "." in field}, folder


def test_every_field_has_a_place_in_the_request() -> None:
    request = classifier_pb2.ClassifyRequest.DESCRIPTOR
    assert all(has(request, path) for path in PATHS.values())
    fields = {field for folder in ("answer", "images", "maps", "models") for field in raised(ROOT / "server" / folder)}
    fields -= raised(ROOT / "server/maps/internals")
    assert fields
    assert all(has(request, PATHS.get(field, field)) for field in fields)


def test_every_field_of_the_inside_has_a_place_in_the_request_of_explain() -> None:
    request = explain_pb2.ExplainRequest.DESCRIPTOR
    assert all(has(request, path) for path in IN_EXPLAIN.values())
    fields = raised(ROOT / "server/maps/internals") | raised(ROOT / "server/images")
    for field in (*fields, "layers", "heads", "tokens", "patches", "discard", "from_layer", "fusion", "dtype"):
        assert has(request, IN_EXPLAIN.get(field, field)), field


def test_an_error_names_the_path_of_its_field() -> None:
    assert str(in_request(InvalidRequest("layers", "99", "0 to 11"))) == "maps.layers: 99; accepted: 0 to 11"
    assert str(in_request(InvalidRequest("model", "empty", "a name"))) == "model: empty; accepted: a name"
    other = ModelNotFound("no")
    assert in_request(other) is other
