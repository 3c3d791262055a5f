"""Principal filters and dot products."""

import numpy as np
import pytest

from tests.drawing.test_pictures import texts
from vitscope.drawing import paint
from vitscope.drawing.filters import dot_products, filter_sheet, tile
from vitscope.drawing.principal import principal_filters


def test_a_kernel_of_two_directions_has_two_principal_filters() -> None:
    one, two = np.zeros((3, 2, 2)), np.zeros((3, 2, 2))
    one[0], two[1, 0] = 0.5, 0.5
    kernel = np.stack([4 * one, -4 * one, 3 * two, np.zeros((3, 2, 2))])
    found = principal_filters(kernel)
    shares = np.array([32 * 1.0, 9 * 0.5])
    np.testing.assert_allclose(found.shares, [*shares / shares.sum(), 0, 0], atol=1e-12)
    np.testing.assert_allclose(found.filters[0], one, atol=1e-12)
    np.testing.assert_allclose(found.filters[1], two * 2**0.5, atol=1e-12)
    assert principal_filters(np.zeros((2, 3, 2, 2))).shares.sum() == 0


def test_grey_is_zero_and_the_largest_value_as_far_as_can_be() -> None:
    one = np.zeros((3, 1, 2))
    one[0, 0, 1] = -0.01
    painted = np.asarray(paint(tile(one, 40)))
    assert abs(painted[20, 20].astype(int) - 128).max() <= 1
    assert painted[20, 60].tolist()[0] == 0


@pytest.mark.parametrize("count", [1, 5, 300])
def test_filters_of_any_number_are_drawn(count: int) -> None:
    kernel = np.random.default_rng(0).normal(size=(count, 3, 2, 4)).astype(np.float32)
    shown = texts(filter_sheet(principal_filters(kernel)))
    title = f"The {min(count, 24)} principal filters, and the share of variance of each"
    assert (title if count > 1 else "Its only filter") in shown
    products = np.arange(count) - count / 2
    shown = texts(dot_products(products, kernel, np.zeros((2, 4, 3), np.uint8)))
    assert f"Its {count} dot products, one for each filter" in shown
    assert shown[2].startswith(f"{int(np.argmax(np.abs(products)))}: ")
