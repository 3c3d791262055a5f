"""Attention rollout, against the product of whole matrices."""

from functools import reduce

import numpy as np
import pytest

from tests.server.maps.samples_full import COUNT, LAYERS, TOKENS, outputs
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.rollout import Fusion, RolloutOptions, rollout

MATRICES = outputs()["matrices"]


def of_the_paper(fusion: Fusion = "mean", first: int = 0) -> np.ndarray:
    """Return A_L ... A_1 with A = 0.5 W + 0.5 I, rows normalised: equations 1 and 2 of arXiv:2005.00928."""
    fused = getattr(MATRICES.astype(np.float64), fusion)(axis=1)[first:]
    mixed = 0.5 * fused + 0.5 * np.eye(COUNT)
    mixed /= mixed.sum(axis=-1, keepdims=True)
    return reduce(lambda below, layer: layer @ below, mixed, np.eye(COUNT))


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("first", [0, 2, -2])
def test_rows_are_those_of_the_product_of_all_layers(fusion: Fusion, first: int) -> None:
    found = rollout(MATRICES, range(COUNT), RolloutOptions(fusion, from_layer=first), TOKENS.prefix)
    np.testing.assert_allclose(found, of_the_paper(fusion, first % LAYERS), atol=1e-6)
    assert found.dtype == np.float32


def test_tokens_come_in_the_order_in_which_they_are_asked_for() -> None:
    whole = rollout(MATRICES, range(COUNT), RolloutOptions(), TOKENS.prefix)
    np.testing.assert_array_equal(rollout(MATRICES, [5, 0], RolloutOptions(), TOKENS.prefix), whole[[5, 0]])


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("discard", [0.1, 0.5, 0.99])
def test_rows_sum_to_one_whatever_is_discarded(fusion: Fusion, discard: float) -> None:
    found = rollout(MATRICES, range(COUNT), RolloutOptions(fusion, discard), TOKENS.prefix)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-6)
    assert (found >= 0).all()


def test_the_patches_with_least_attention_are_discarded_in_each_row() -> None:
    last, prefix = RolloutOptions(discard=0.5, from_layer=-1), TOKENS.prefix
    found = rollout(MATRICES, range(COUNT), last, prefix)
    fused = MATRICES[-1].mean(axis=0)
    for row in range(COUNT):
        least = prefix + np.argsort(fused[row, prefix:])[:3]  # of six
        kept = np.setdiff1d(np.arange(COUNT), [*least, row])
        assert (found[row, np.setdiff1d(least, row)] == 0).all() and (found[row, kept] > 0).all()
        # What is kept stays in proportion.
        np.testing.assert_allclose(
            found[row, kept] / found[row, kept].sum(), fused[row, kept] / fused[row, kept].sum(), rtol=1e-5
        )


def test_a_layer_of_identities_changes_nothing() -> None:
    identity = np.broadcast_to(np.eye(COUNT, dtype=np.float32), MATRICES.shape)
    np.testing.assert_allclose(rollout(identity, [3], RolloutOptions(), TOKENS.prefix)[0], np.eye(COUNT)[3])


@pytest.mark.parametrize("discard", [-0.1, 1.0, float("nan")])
def test_a_share_out_of_range_is_refused(discard: float) -> None:
    with pytest.raises(InvalidRequest, match=r"^discard: .*; accepted: 0 to below 1$"):
        RolloutOptions(discard=discard)


@pytest.mark.parametrize("layer", [3, -4])
def test_a_layer_that_is_not_there_is_refused(layer: int) -> None:
    with pytest.raises(InvalidRequest, match=rf"^from_layer: {layer}; accepted: -3 to 2$"):
        RolloutOptions(from_layer=layer).first_of(LAYERS)
