"""The OpenAPI document: valid, complete, and without a promise that the server does not keep."""

import json
from typing import Any

import pytest

from tests.server.api.rest.outline import references
from vitscope.server.api.rest.comments import comments
from vitscope.server.api.rest.openapi import document
from vitscope.server.api.rest.problems import CODES, HTTP
from vitscope.server.api.status import CODES as OUTCOMES
from vitscope.v1 import classifier_pb2, explain_pb2, image_pb2, maps_pb2, model_pb2, timing_pb2

FILES = (classifier_pb2, explain_pb2, image_pb2, maps_pb2, model_pb2, timing_pb2)


def schemas() -> dict[str, Any]:
    found = document("1")["components"]["schemas"]
    assert isinstance(found, dict)
    return found


def test_every_field_and_value_of_the_protos_has_its_comment() -> None:
    for file in FILES:
        for message in file.DESCRIPTOR.message_types_by_name.values():
            for field in message.fields:
                assert comments().get(field.full_name), field.full_name
        for enum in file.DESCRIPTOR.enum_types_by_name.values():
            for value in enum.values:
                assert comments().get(f"{enum.full_name}.{value.name}"), value.name


def test_comments_keep_their_paragraphs() -> None:
    assert comments()["vitscope.v1.ClassifierService.Classify"] == "Classifies one image."
    assert "\n x = m[0] * c" in comments()["vitscope.v1.Geometry.grid_to_image"]
    assert "\n" not in comments()["vitscope.v1.Map.values"]


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    found = document("1")
    targets = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    assert references(found) == targets | {"#/components/responses/Problem"}
    json.dumps(found, allow_nan=False)


def test_requests_are_closed_and_replies_complete() -> None:
    found = schemas()
    assert found["MapOptions"]["additionalProperties"] is False
    assert found["Image"]["allOf"] == [{"oneOf": [{"required": ["encoded"]}, {"required": ["raw"]}]}]
    assert "maps" in found["ClassifyResponse"]["required"] and "rendering" not in found["Map"]["required"]
    assert found["Map"]["properties"]["dtype"]["enum"] == ["float32", "float16", "uint8"]


def test_every_option_of_a_request_is_in_the_query() -> None:
    names = {each["name"] for each in document("1")["paths"]["/api/v1/classify"]["post"]["parameters"]}
    assert {"top_k", "maps", "maps.layers", "maps.rendering", "maps.rendering.size", "timeout", "values"} <= names
    assert not {name for name in names if name.startswith("image")}


@pytest.mark.parametrize("name", ["classify", "explain"])
def test_every_outcome_has_a_status_that_is_documented(name: str) -> None:
    paths = document("1")["paths"][f"/api/v1/{name}"]["post"]["responses"]
    assert {str(int(HTTP[code])) for code in OUTCOMES.values() if code in HTTP} - {"409"} <= paths.keys()
    assert {str(int(status)) for status in CODES} <= paths.keys()


def test_arrays_are_described_with_the_schema_of_their_head() -> None:
    found = document("1")
    content = found["paths"]["/api/v1/explain"]["post"]["responses"]["200"]["content"]
    assert content["application/vnd.vitscope.arrays"]["schema"]["contentSchema"]["$ref"].endswith("/ExplainHeader")
    assert {"part", "shape", "offset", "bytes"} <= set(found["components"]["schemas"]["ExplainBlocks"]["required"])
