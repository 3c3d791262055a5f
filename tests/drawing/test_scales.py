"""From values to colours and numbers."""

import numpy as np
import pytest

from vitscope.drawing import Scale, diverging, number, sequential
from vitscope.drawing.colours import COLOURS
from vitscope.drawing.scales import NOT_A_NUMBER


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-0.0, "0"), (1, "1"), (-5, "−5"), (0.12345, "0.123"), (123.4, "123"), (-0.00001234, "−1.23e−5"),
        (1234567, "1,234,567"), (2e12, "2e12"), (float("nan"), "–"), (float("inf"), "–"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_amounts_begin_at_zero_and_signed_values_are_symmetric() -> None:
    values = np.array([[0.2, 0.8], [0.4, np.nan]])
    assert (sequential(values, "").low, sequential(values, "").high) == (0, 0.8)
    assert sequential(values - 0.5, "").low == pytest.approx(-0.3)
    scale = diverging(np.array([[-1.0, 3.0]]), "")
    assert (scale.low, scale.high) == (-3, 3)
    assert tuple(scale.colour(np.array(0.0))) == tuple(COLOURS["signed"][128])
    assert [scale.text(tick) for tick in scale.ticks()] == ["−3", "0", "3"]
    assert sequential(values, "", percent=True).text(0.8) == "80%"


def test_a_value_beyond_the_scale_has_its_last_colour_and_what_is_no_number_a_grey() -> None:
    scale = Scale(0, 1)
    found = scale.colour(np.array([-5.0, 0.0, 1.0, 7.0, np.nan, np.inf]))
    assert [tuple(colour) for colour in found] == [
        *[tuple(COLOURS["viridis"][at]) for at in (0, 0, 255, 255)], NOT_A_NUMBER, NOT_A_NUMBER,
    ]  # fmt: skip


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.full((2, 2), np.nan), np.zeros((0, 0))])
def test_equal_values_have_one_colour(values: np.ndarray) -> None:
    for scale in (sequential(values, ""), diverging(values, "")):
        assert scale.colour(np.zeros((2, 2))).shape == (2, 2, 3)
        assert scale.ticks() == (scale.low,)


def test_the_signed_colours_are_as_dark_at_both_ends_and_brightest_at_zero() -> None:
    bright = COLOURS["signed"] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(bright[:128]) > 0).all()
    assert (np.diff(bright[128:]) < 0).all()
    assert abs(bright[0] - bright[-1]) < 10
