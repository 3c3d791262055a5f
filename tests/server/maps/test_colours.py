"""The colour maps are the published ones, and lighter means more."""

from typing import Any, get_args

import numpy as np
import pytest

from vitscope.server.maps.colours import COLOURS
from vitscope.server.maps.rendering import ColourMap


def test_every_name_has_a_table() -> None:
    assert set(COLOURS) == set(get_args(ColourMap))
    for table in COLOURS.values():
        assert (table.shape, table.dtype) == ((256, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "lowest", "middle", "highest"),
    [
        ("viridis", (68, 1, 84), (33, 145, 140), (253, 231, 37)),
        ("inferno", (0, 0, 4), (188, 55, 84), (252, 255, 164)),
        ("cividis", (0, 32, 77), (124, 123, 120), (255, 234, 70)),
        ("grey", (0, 0, 0), (128, 128, 128), (255, 255, 255)),
    ],
)
def test_colours_are_within_a_few_levels_of_the_published(
    name: Any, lowest: tuple[int, ...], middle: tuple[int, ...], highest: tuple[int, ...]
) -> None:
    table = COLOURS[name].astype(int)
    for index, colour in ((0, lowest), (128, middle), (255, highest)):
        assert np.abs(table[index] - colour).max() <= 6


@pytest.mark.parametrize("name", [name for name in get_args(ColourMap) if name != "blue_orange"])
def test_lightness_rises(name: Any) -> None:
    luminance = COLOURS[name] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > -0.5).all()  # rounding to 8 bits
    assert (np.diff(luminance[::8]) > 0).all()


def test_values_of_both_signs_are_white_at_zero_and_darker_to_both_sides() -> None:
    colours = COLOURS["blue_orange"].astype(int)
    luminance = colours @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance[:128]) > -0.5).all() and (np.diff(luminance[128:]) < 0.5).all()
    assert colours[[127, 128]].min() > 240
    assert (colours[0, 2] - colours[0, 0] > 90) and (colours[255, 0] - colours[255, 2] > 90), "blue below, orange above"
