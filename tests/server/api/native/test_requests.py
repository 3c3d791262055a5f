"""Messages to questions: what absence means, and what cannot be understood."""

import pytest

from vitscope.server.answer.ask import Ask, EncodedImage, RawImage
from vitscope.server.api.native.requests import to_ask
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.rendering import RenderingSpec
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

FILE = image_pb2.Image(encoded=b"a file")


def with_maps(**options: object) -> classifier_pb2.ClassifyRequest:
    return classifier_pb2.ClassifyRequest(image=FILE, maps=maps_pb2.MapOptions(**options))  # type: ignore[arg-type]


def test_an_image_alone_asks_for_five_classes_of_the_only_model() -> None:
    request = classifier_pb2.ClassifyRequest(image=FILE)
    assert to_ask(request) == Ask(EncodedImage(b"a file"), 6, "", 0, 5, 0.0, None)


def test_every_field_arrives() -> None:
    raw = image_pb2.RawPixels(rgb=b"123", width=1, height=1, preprocessed=True)
    request = classifier_pb2.ClassifyRequest(
        image=image_pb2.Image(raw=raw), model="m", version=3, top_k=7, min_probability=0.5
    )
    assert to_ask(request) == Ask(RawImage(b"123", 1, 1, True), 3, "m", 3, 7, 0.5, None)


def test_empty_map_options_are_the_defaults() -> None:
    assert to_ask(with_maps()).maps == MapOptions("", [], [], "float32", None)


def test_map_options_are_named_as_in_the_domain() -> None:
    found = to_ask(
        with_maps(
            method=maps_pb2.MAP_METHOD_ATTENTION,
            all_layers=True,
            heads=[2, 1],
            dtype=maps_pb2.DATA_TYPE_FLOAT16,
            rendering=maps_pb2.RenderingOptions(
                kind=maps_pb2.RENDERING_KIND_HEAT_MAP,
                color_map=maps_pb2.COLOR_MAP_INFERNO,
                opacity=0.25,
                size=64,
                format=maps_pb2.PICTURE_FORMAT_JPEG,
                upsampling=maps_pb2.UPSAMPLING_NEAREST,
            ),
        )
    ).maps
    assert found is not None
    assert (found.method, found.layers, list(found.heads), found.dtype) == ("attention", "all", [2, 1], "float16")
    assert found.rendering == RenderingSpec("heat_map", "inferno", 0.25, 64, "jpeg", "nearest")


def test_zeros_of_a_rendering_are_the_defaults() -> None:
    found = to_ask(with_maps(rendering=maps_pb2.RenderingOptions())).maps
    assert found is not None and found.rendering == RenderingSpec()


@pytest.mark.parametrize(
    ("request_", "field", "accepted"),
    [
        (classifier_pb2.ClassifyRequest(), "image", "image.encoded"),
        (with_maps(layers=[0], all_layers=True), "layers", "layers or all_layers"),
        (with_maps(heads=[0], all_heads=True), "heads", "heads or all_heads"),
        (with_maps(method=9), "method", "MAP_METHOD_ATTENTION = 1"),
        (with_maps(dtype=9), "dtype", "DATA_TYPE_UINT8 = 3"),
        (with_maps(rendering=maps_pb2.RenderingOptions(opacity=1.5)), "opacity", "above 0 and up to 1"),
        (with_maps(rendering=maps_pb2.RenderingOptions(size=31)), "size", "32 to 2048"),
        (with_maps(rendering=maps_pb2.RenderingOptions(format=9)), "format", "PICTURE_FORMAT_PNG = 1"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_understood_names_its_field(
    request_: classifier_pb2.ClassifyRequest, field: str, accepted: str
) -> None:
    with pytest.raises(InvalidRequest, match=accepted) as refused:
        to_ask(request_)
    assert refused.value.field == field
