"""What a request may ask for, and how it is told that it may not."""

import math
from typing import Any

import pytest

from tests.server.maps.samples import HEADS, LAYERS, manifest
from vitscope.bundle import ATTENTION, CLASSIFY
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps import MapSpec, RenderingSpec


def test_nothing_asked_is_the_mean_of_the_last_layer() -> None:
    spec = MapSpec.from_request(manifest())
    assert (spec.layers, spec.heads, spec.graph, spec.dtype) == ((LAYERS - 1,), None, CLASSIFY, "float32")


@pytest.mark.parametrize(
    ("asked", "layers", "graph"),
    [
        ({"layers": [-1]}, (5,), CLASSIFY),
        ({"layers": [5, -1]}, (5,), CLASSIFY),
        ({"layers": [4, 0, -2, 0]}, (0, 4), ATTENTION),
        ({"layers": [-LAYERS]}, (0,), ATTENTION),
        ({"all_layers": True}, tuple(range(LAYERS)), ATTENTION),
    ],
)
def test_layers_are_ascending_and_once(asked: dict[str, Any], layers: tuple[int, ...], graph: str) -> None:
    spec = MapSpec.from_request(manifest(), **asked)
    assert (spec.layers, spec.graph) == (layers, graph)


def test_heads() -> None:
    assert MapSpec.from_request(manifest(), heads=[2, 0, 2]).heads == (0, 2)
    assert MapSpec.from_request(manifest(), all_heads=True).heads == tuple(range(HEADS))


@pytest.mark.parametrize(
    ("asked", "field", "accepted"),
    [
        ({"layers": [LAYERS]}, "maps.layers", "-6 to 5"),
        ({"layers": [-LAYERS - 1]}, "maps.layers", "-6 to 5"),
        ({"layers": [0], "all_layers": True}, "maps.layers", "layers or all_layers"),
        ({"heads": [HEADS]}, "maps.heads", "0 to 2"),
        ({"heads": [-1]}, "maps.heads", "0 to 2"),
        ({"heads": [0], "all_heads": True}, "maps.heads", "heads or all_heads"),
    ],
)
def test_what_does_not_exist_is_refused(asked: dict[str, Any], field: str, accepted: str) -> None:
    with pytest.raises(InvalidRequest, match=accepted) as refused:
        MapSpec.from_request(manifest(), **asked)
    assert refused.value.field == field


def test_a_bundle_without_attention_has_no_maps() -> None:
    with pytest.raises(InvalidRequest, match="without attention") as refused:
        MapSpec.from_request(manifest((CLASSIFY,), attention=False))
    assert refused.value.field == "maps"


def test_a_bundle_without_the_second_graph_has_its_last_layer() -> None:
    assert MapSpec.from_request(manifest((CLASSIFY,))).graph == CLASSIFY
    with pytest.raises(InvalidRequest, match=r"maps.layers: \[0\]; accepted: 5"):
        MapSpec.from_request(manifest((CLASSIFY,)), layers=[0])


def test_zeros_of_a_rendering_are_the_defaults() -> None:
    assert RenderingSpec.from_request() == RenderingSpec(opacity=0.5, size=None)
    assert RenderingSpec.from_request(opacity=1.0, size=32).size == 32


@pytest.mark.parametrize("opacity", [-0.1, 1.01, math.nan, math.inf])
def test_opacity_is_a_share(opacity: float) -> None:
    with pytest.raises(InvalidRequest, match="above 0 and up to 1") as refused:
        RenderingSpec.from_request(opacity=opacity)
    assert refused.value.field == "maps.rendering.opacity"


@pytest.mark.parametrize("size", [1, 31, 2049, 2**32 - 1])
def test_size_is_bounded(size: int) -> None:
    with pytest.raises(InvalidRequest, match="32 to 2048") as refused:
        RenderingSpec.from_request(size=size)
    assert refused.value.field == "maps.rendering.size"


def test_all_pictures_of_a_reply_are_bounded_together() -> None:
    everything: dict[str, Any] = {"all_layers": True, "all_heads": True}  # 18 maps
    with pytest.raises(InvalidRequest, match=r"18 pictures of up to 966x966 pixels.*size 965") as refused:
        MapSpec.from_request(manifest(), **everything, rendering=RenderingSpec(size=966))
    assert refused.value.field == "maps.rendering.size"
    assert MapSpec.from_request(manifest(), **everything, rendering=RenderingSpec(size=965)).rendering


def test_pictures_of_the_photos_own_size_wait_for_the_photo() -> None:
    spec = MapSpec.from_request(manifest(), all_layers=True, all_heads=True, rendering=RenderingSpec())
    assert spec.rendering == RenderingSpec(max_pixels=2**24 // 18)
