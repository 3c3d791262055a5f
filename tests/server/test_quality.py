import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vitscope.server.quality import attention_entropy, brightness


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(2, 50)), elements=st.floats(0, 1, width=32)))
def test_entropy_is_shannons_of_the_mean_over_the_heads(attention: np.ndarray) -> None:
    attention = attention + np.float32(1e-3)
    share = attention.astype(np.float64).mean(axis=0)
    share /= share.sum()
    expected = -sum(p * math.log(p) for p in share) / math.log(len(share))
    assert attention_entropy(attention) == pytest.approx(expected, abs=1e-4)


def test_entropy_runs_from_one_patch_to_all() -> None:
    one = np.zeros((3, 196), np.float32)
    one[:, 7] = 1
    assert attention_entropy(one) == pytest.approx(0, abs=1e-6)
    assert attention_entropy(np.full((3, 196), 1 / 196, np.float32)) == pytest.approx(1, abs=1e-6)
    assert attention_entropy(np.ones((3, 1), np.float32)) == 0
    assert attention_entropy(np.zeros((3, 196), np.float32)) == 1


def test_of_several_layers_the_last_counts() -> None:
    layers = np.random.default_rng(0).random((4, 3, 20), np.float32)
    assert attention_entropy(layers) == attention_entropy(layers[-1])


@pytest.mark.parametrize("side", [1, 13, 28, 224, 518])
def test_brightness_is_the_mean_from_black_to_white(side: int) -> None:
    assert brightness(np.zeros((side, side, 3), np.uint8)) == 0
    assert brightness(np.full((side, side, 3), 255, np.uint8)) == 1
    ramp = np.broadcast_to(np.linspace(0, 255, side).astype(np.uint8)[:, None, None], (side, side, 3))
    assert brightness(ramp) == pytest.approx(ramp.mean() / 255, abs=0.05)
