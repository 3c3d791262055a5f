"""Checks of the options for drawing a map."""

import math

import pytest

from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.rendering import RenderingSpec


def test_the_bounds_themselves_are_accepted() -> None:
    assert RenderingSpec(opacity=1.0, size=32).size == 32
    assert RenderingSpec(size=2048).size == 2048


@pytest.mark.parametrize("opacity", [-0.1, 0.0, 1.01, math.nan, math.inf])
def test_opacity_is_a_share(opacity: float) -> None:
    with pytest.raises(InvalidRequest, match="above 0 and up to 1") as refused:
        RenderingSpec(opacity=opacity)
    assert refused.value.field == "opacity"


@pytest.mark.parametrize("size", [0, 1, 31, 2049, 2**32 - 1])
def test_size_is_bounded(size: int) -> None:
    with pytest.raises(InvalidRequest, match="32 to 2048") as refused:
        RenderingSpec(size=size)
    assert refused.value.field == "size"


def test_all_pictures_of_a_reply_are_bounded_together() -> None:
    with pytest.raises(InvalidRequest, match=r"18 pictures of up to 966x966 pixels.*size 965") as refused:
        RenderingSpec(size=966).shared_by(18)
    assert refused.value.field == "size"
    assert RenderingSpec(size=965).shared_by(18)


def test_pictures_of_the_photos_own_size_wait_for_the_photo() -> None:
    assert RenderingSpec().shared_by(18) == RenderingSpec(max_pixels=2**24 // 18)
