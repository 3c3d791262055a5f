"""The OpenAPI document of a running server, held against what the server does."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import fastjsonschema
import pytest

from tests.arrays import KIND, split
from tests.e2e.harness import RunningServer
from tests.http1 import Reply, Socket

JPEG = {"Content_Type": "image/jpeg"}


@pytest.fixture(scope="module")
def document(server: RunningServer) -> Any:
    with Socket(server.http) as client:
        return client.request("GET", "/api/openapi.json").json


def checker(document: Any, schema: Any) -> Callable[[Any], Any]:
    """Return what raises for a value that is not as a schema has it, or has a field that it has not."""
    closed = {
        name: each | ({"additionalProperties": False} if "properties" in each else {})
        for name, each in document["components"]["schemas"].items()
    }
    root = {**schema, "components": document["components"] | {"schemas": closed}}
    checked: Callable[[Any], Any] = fastjsonschema.compile(root)
    return checked


def check(document: Any, path: str, method: str, reply: Reply) -> None:
    """Check status, type and body of a reply."""
    responses = document["paths"][path][method]["responses"]
    assert str(reply.status) in responses, f"{reply.status} is not documented: {reply.body!r}"
    found = responses[str(reply.status)]
    if "$ref" in found:
        found = document["components"]["responses"][found["$ref"].rpartition("/")[2]]
    (kind,) = found["content"]
    assert reply.headers["content-type"] == kind
    schema = found["content"][kind]["schema"]
    if kind == KIND:
        head, values = split(reply.body)
        checker(document, schema["contentSchema"])(head)
        assert len(values) == head["total_bytes"]
    else:
        checker(document, schema)(reply.json)


def test_every_path_answers_as_it_says(server: RunningServer, document: Any, photo: bytes) -> None:
    with Socket(server.http) as client:
        for path in ("/api/v1/models", "/api/v1/models/{model}", "/api/v1/models/{model}/{version}"):
            for model, version in (("fashion", "1"), ("none", "1"), ("registers", "x")):
                real = path.replace("{model}", model).replace("{version}", version)
                check(document, path, "get", client.request("GET", real))
            check(document, path, "get", client.request("GET", f"{path}?what=x"))
        queries = ["", "?model=none", "?model=fashion&timeout=1e-6", "?model=fashion&values=lists"]
        queries += [f"?model=registers&maps.all_heads=true&maps.dtype={dtype}" for dtype in ("uint8", "float16")]
        queries += ["?model=fashion&maps.rendering=true&values=lists"]
        for query in queries:
            check(
                document, "/api/v1/classify", "post", client.request("POST", f"/api/v1/classify{query}", photo, **JPEG)
            )
        for query in (
            "",
            "?model=fashion&parts=rollout",
            "?model=fashion&parts=rows,lens",
            "?model=fashion&parts=maps",
        ):
            check(document, "/api/v1/explain", "post", client.request("POST", f"/api/v1/explain{query}", photo, **JPEG))
        for path in ("/api/v1/classify", "/api/v1/explain"):
            for headers in ({"Content_Type": "text/plain"}, {"Origin": "null"}, {"Expect": "x"}):
                reply = client.request("POST", path, b"x", **headers)
                assert reply.status != 200
                check(document, path, "post", reply)


def example(schema: Any) -> str:
    """Return the text of a value that a schema takes."""
    if "items" in schema:
        return example(schema["items"])
    if "enum" in schema:
        return str(schema["enum"][0])
    return {"string": "fashion", "boolean": "false"}.get(schema["type"], "1")


@pytest.mark.parametrize("path", ["/api/v1/classify", "/api/v1/explain"])
def test_every_parameter_is_known_and_no_other(server: RunningServer, document: Any, photo: bytes, path: str) -> None:
    operation = document["paths"][path]["post"]
    names = {each["name"]: example(each["schema"]) for each in operation["parameters"] if each["in"] == "query"}
    with Socket(server.http) as client:
        for name, value in names.items():
            query = urlencode({"model": "registers", name: value})
            reply = client.request("POST", f"{path}?{query}", photo, **JPEG)
            refused = "" if reply.status == 200 else reply.json["detail"]
            assert "no such field" not in refused, name
            unknown = client.request("POST", f"{path}?{urlencode({name + 'x': value})}", photo, **JPEG)
            assert unknown.status == 400 and "no such field" in unknown.json["detail"], name


def test_bodies_of_json_are_those_of_the_schema(server: RunningServer, document: Any) -> None:
    content = document["paths"]["/api/v1/classify"]["post"]["requestBody"]["content"]
    valid = checker(document, content["application/json"]["schema"])
    bodies: list[Any] = [
        {},
        {"image": {"encoded": ""}, "top_k": 1, "maps": {"layers": [-1], "rendering": {"kind": "overlay"}}},
        {"image": {"encoded": "", "raw": {}}},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_k": 2.0},
        {"version": None},
        {"maps": {"method": "none"}},
        {"maps": {"layers": 1}},
        {"maps": {"dtype": "uint8", "heads": [1, "x"]}},
        {"model": 3},
        {"unknown": 1},
        {"maps": {"rendering": {"unknown": 1}}},
        [],
    ]
    with Socket(server.http) as client:
        for body in bodies:
            data = json.dumps(body).encode()
            detail = client.request("POST", "/api/v1/classify", data, Content_Type="application/json").json["detail"]
            # What the schema takes gets as far as its image, or the model that it does not name.
            read = detail.startswith(("image: ", "image.encoded: 0 bytes", "model: not set", "model: empty"))
            try:
                valid(body)
            except fastjsonschema.JsonSchemaException:
                assert not read, (body, detail)
            else:
                assert read, (body, detail)
