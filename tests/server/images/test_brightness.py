"""Brightness is the mean of what the model sees."""

import numpy as np
import pytest

from vitscope.server.images.brightness import brightness


@pytest.mark.parametrize("side", [1, 13, 28, 224, 518])
def test_brightness_is_the_mean_from_black_to_white(side: int) -> None:
    assert brightness(np.zeros((side, side, 3), np.uint8)) == 0
    assert brightness(np.full((side, side, 3), 255, np.uint8)) == 1
    ramp = np.broadcast_to(np.linspace(0, 255, side).astype(np.uint8)[:, None, None], (side, side, 3))
    assert brightness(ramp) == pytest.approx(ramp.mean() / 255, abs=0.05)
