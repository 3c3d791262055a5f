"""Conversion between Python values and proto fields and enums."""

import pytest

from vitscope import InvalidRequest
from vitscope.client.fields import enum_name, enum_names, enum_value, extend_field, set_field
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2


def test_enum_names() -> None:
    assert enum_names(maps_pb2.RenderingKind, "RENDERING_KIND") == ["overlay", "heat_map"]


def test_every_enum_value_has_a_name_and_back() -> None:
    for name in ("squash", "shortest_edge", "none"):
        value = enum_value(image_pb2.ResizeMode, "RESIZE_MODE", "mode", name)
        assert enum_name(image_pb2.ResizeMode, "RESIZE_MODE", value) == name


@pytest.mark.parametrize("number", [0, 99])
def test_an_unknown_enum_value_is_unspecified(number: int) -> None:
    assert enum_name(image_pb2.ResizeMode, "RESIZE_MODE", number) == "unspecified"


@pytest.mark.parametrize("name", ["stretch", "unspecified", "SQUASH"])
def test_an_unknown_enum_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"mode: '{name}'; accepted: squash, shortest_edge, none, letterbox"):
        enum_value(image_pb2.ResizeMode, "RESIZE_MODE", "mode", name)


def test_a_wrong_number_is_refused_by_name() -> None:
    request = classifier_pb2.GetModelRequest()
    set_field(request, "version", 2**32 - 1)
    assert request.version == 2**32 - 1
    for value in (-1, 2**32, 1.5):
        with pytest.raises(InvalidRequest, match=f"version: {value}; accepted: whole number from 0"):
            set_field(request, "version", value)
    with pytest.raises(InvalidRequest, match=r"attention: \[1.5\]; accepted: a list of whole numbers"):
        extend_field(maps_pb2.MapOptions(), "layers", "attention", [1.5])  # type: ignore[list-item]
