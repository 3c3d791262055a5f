"""Fields of requests, as JSON and as text: every value that is not one is refused by its path, and nothing else."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.server.api.rest.fields import read_fields
from vitscope.server.api.rest.parse import parse_object
from vitscope.server.api.rest.query import read_pairs
from vitscope.server.errors import InvalidRequest
from vitscope.v1 import classifier_pb2, maps_pb2

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
NAMES = st.sampled_from(
    (
        *("image", "encoded", "raw", "rgb", "width", "model", "version", "top_k", "min_probability", "maps"),
        *("method", "layers", "all_layers", "heads", "dtype", "rendering", "kind", "opacity", "size", "", "."),
    )
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))
# Names with dots, of fields there are and of others.
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(".".join) | st.text(max_size=5)


def read(**fields: object) -> classifier_pb2.ClassifyRequest:
    message = classifier_pb2.ClassifyRequest()
    read_fields(message, fields)
    return message


def read_query(*pairs: tuple[str, str | bytes]) -> classifier_pb2.ClassifyRequest:
    message = classifier_pb2.ClassifyRequest()
    read_pairs(message, pairs)
    return message


def refusal(**fields: object) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    return str(caught.value)


def refusal_of_query(*pairs: tuple[str, str | bytes]) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_query(*pairs)
    return str(caught.value)


WHOLE = classifier_pb2.ClassifyRequest(
    model="m",
    version=2,
    top_k=3,
    min_probability=0.5,
    maps=maps_pb2.MapOptions(
        method=maps_pb2.MAP_METHOD_CAM,
        layers=[-1, 0],
        all_heads=True,
        dtype=maps_pb2.DATA_TYPE_UINT8,
        rendering=maps_pb2.RenderingOptions(kind=maps_pb2.RENDERING_KIND_HEAT_MAP, size=64, opacity=0.25),
    ),
)


def test_the_same_request_as_json_and_as_text() -> None:
    rendering = {"kind": "heat_map", "size": 64, "opacity": 0.25}
    maps = {"method": "cam", "layers": [-1, 0], "all_heads": True, "dtype": "uint8", "rendering": rendering}
    assert read(model="m", version=2, top_k=3, min_probability=0.5, maps=maps) == WHOLE
    flat = {"model": "m", "version": "2", "top_k": "3", "min_probability": "0.5", "maps.method": "cam"}
    flat |= {"maps.layers": "-1, 0", "maps.all_heads": "true", "maps.dtype": "uint8"}
    drawn = {f"maps.rendering.{name}": str(value) for name, value in rendering.items()}
    assert read_query(*flat.items(), *drawn.items()) == WHOLE
    nested = (("model", "m"), ("version", "2"), ("top_k", "3"), ("min_probability", "0.5"), ("maps", json.dumps(maps)))
    assert read_query(*nested) == WHOLE
    assert read_query(("maps.layers", "-1"), ("maps.layers", "0")).maps.layers == [-1, 0]


def test_maps_can_be_asked_for_by_name_alone() -> None:
    assert read(maps={}).HasField("maps") and read_query(("maps", "true")).HasField("maps")
    assert read_query(("maps.rendering", "true")).maps.HasField("rendering")
    assert not read().HasField("maps") and not read_query(("maps", "false")).HasField("maps")


def test_images_are_base64_in_json_and_files_in_forms() -> None:
    image = {"encoded": base64.b64encode(b"\xff\xd8").decode()}
    assert read(image=image) == read_query(("image.encoded", b"\xff\xd8"))
    pixels = {"rgb": base64.b64encode(bytes(12)).decode(), "width": 2, "height": 2}
    assert read(image={"raw": pixels}).image.raw.rgb == bytes(12)
    form = read_query(("image.raw.rgb", bytes(12)), ("image.raw.width", "2"), ("image.raw.height", "2"))
    assert form == read(image={"raw": pixels})


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert read(top_k=3.0).top_k == 3


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"top_k": -1}, "top_k: -1; accepted: a whole number from 0 to 4294967295"),
        ({"top_k": 1.5}, "top_k: 1.5; accepted: a whole"),
        ({"top_k": True}, "top_k: true; accepted: a whole"),
        ({"top_k": "3"}, 'top_k: "3"; accepted: a whole'),
        ({"top_k": None}, "top_k: null; accepted: a whole"),
        ({"top_k": 2**32}, "top_k: 4294967296; accepted"),
        ({"min_probability": 1e39}, "min_probability: 1e+39; accepted: a finite number"),
        ({"min_probability": 10**400}, "min_probability: 1000"),
        ({"min_probability": "0.5"}, 'min_probability: "0.5"; accepted'),
        ({"model": 3}, "model: 3; accepted: a string"),
        ({"model": "\ud800"}, "lone surrogates"),
        ({"maps": {"method": "gradcam"}}, 'maps.method: "gradcam"; accepted: attention, cam'),
        ({"maps": {"method": "MAP_METHOD_CAM"}}, 'maps.method: "MAP_METHOD_CAM"'),
        ({"maps": {"layers": 1}}, "maps.layers: 1; accepted: a list"),
        ({"maps": {"layers": [1, "x"]}}, 'maps.layers: "x"; accepted: a whole number from -2147483648'),
        ({"maps": {"all_layers": 1}}, "maps.all_layers: 1; accepted: true or false"),
        ({"maps": []}, "maps: []; accepted: an object"),
        ({"topk": 3}, "topk: there is no such field; accepted: top_k, which is close to it, or"),
        ({"maps": {"rendering": {"colour": 1}}}, "maps.rendering.colour: there is no such field"),
        ({"image": {"encoded": "a"}}, 'image.encoded: "a"; accepted: base64'),
        ({"image": {"encoded": "_w=="}}, 'image.encoded: "_w=="; accepted: base64'),
        ({"image": {"encoded": "", "raw": {}}}, "image.raw: given beside encoded; accepted: encoded or raw"),
    ],
)
def test_what_cannot_be_used_is_named(fields: dict[str, object], text: str) -> None:
    assert text in refusal(**fields)


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ([("top_k", "three")], 'top_k: "three"; accepted: a whole number'),
        ([("top_k", "1"), ("top_k", "2")], "top_k: given twice; accepted: one value"),
        ([("top_k", b"3")], "top_k: a file; accepted: a value"),
        ([("min_probability", "nan")], "min_probability: NaN; accepted: a finite number"),
        ([("maps", "yes")], 'maps: "yes"; accepted: true, false, or an object in JSON'),
        ([("maps", "{")], "maps: no JSON ("),
        ([("maps.layers", "0,,1")], 'maps.layers: ""; accepted: a whole number'),
        ([("maps.all_heads", "1")], 'maps.all_heads: "1"; accepted: true or false'),
        ([("model.name", "x")], "model.name: model has no fields; accepted: model"),
        ([("maps.layers.0", "x")], "maps.layers.0: maps.layers has no fields"),
        ([("image.encoded", "abc")], "image.encoded: a value; accepted: a file"),
        ([("", "x")], ": there is no such field"),
    ],
)
def test_what_cannot_be_used_in_a_query_is_named(pairs: list[tuple[str, str | bytes]], text: str) -> None:
    assert text in refusal_of_query(*pairs)


@given(VALUES)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        read_fields(classifier_pb2.ClassifyRequest(), value)
    except InvalidRequest as error:
        assert len(str(error)) < 1000


@given(st.lists(st.tuples(PATHS, st.text(max_size=20) | st.binary(max_size=20)), max_size=4))
def test_any_query_is_read_or_refused(pairs: list[tuple[str, str | bytes]]) -> None:
    try:
        read_pairs(classifier_pb2.ClassifyRequest(), pairs)
    except InvalidRequest as error:
        assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "no JSON"),
        (b"[]", "JSON that is no object"),
        (b'{"a": 1, "a": 2}', "a name stands twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"\xff", "no JSON ("),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "no JSON"),
    ],
)
def test_json_is_strict(data: bytes, text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^body: ") as caught:
        parse_object("body", data)
    assert text in str(caught.value)
