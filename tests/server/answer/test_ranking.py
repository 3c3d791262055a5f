"""Ranks are the softmax in falling order, whatever the number of classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vitscope.bundle import Activation, probabilities
from vitscope.server.answer.ranking import rank

LABELS = tuple(f"label {index}" for index in range(40))


@given(
    hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-50, 50, width=32)),
    st.integers(1, 50),
    st.floats(0, 1),
)
def test_ranks_are_the_softmax_in_falling_order(logits: np.ndarray, top_k: int, min_probability: float) -> None:
    ranked = rank(logits, LABELS, top_k, min_probability).classes
    assert len(ranked) <= min(top_k, len(logits))
    assert all(one.probability >= min_probability for one in ranked)
    assert [one.probability for one in ranked] == sorted((one.probability for one in ranked), reverse=True)
    for one in ranked:
        assert one.label == LABELS[one.index]
        assert one.logit == logits[one.index]
    ranking = rank(logits, LABELS, 40, 0)
    everything = ranking.classes
    assert sum(one.probability for one in everything) == pytest.approx(1)
    assert everything[0].logit == logits.max()
    first, second = [one.probability for one in everything[:2]] if len(logits) > 1 else (1.0, 0.0)
    found = rank(logits, LABELS, top_k, min_probability)
    assert (found.confidence, found.margin) == (ranking.confidence, ranking.margin) == (first, first - second)


def test_huge_logits_do_not_overflow() -> None:
    best, _, _ = rank(np.array([1e30, -1e30, 0], np.float32), LABELS, 5, 0).classes
    assert (best.index, best.probability) == (0, 1.0)


def plain(logits: np.ndarray, top_k: int) -> list[int]:
    """Return the indices of the largest logits, ties by index."""
    return sorted(range(len(logits)), key=lambda index: -logits[index])[:top_k]


@given(
    st.integers(1, 11_000),
    st.sampled_from([1, 2, 5, 100]),
    st.sampled_from([1, 3, 50, 10**6]),
    st.integers(0, 2**32 - 1),
)
def test_the_order_is_exact_for_any_number_of_classes_and_of_ties(
    classes: int, top_k: int, values: int, seed: int
) -> None:
    logits = (np.random.default_rng(seed).integers(0, values, classes) / values).astype(np.float32)
    ranking = rank(logits, tuple(map(str, range(classes))), top_k, 0)
    assert [one.index for one in ranking.classes] == plain(logits, top_k)
    exponents = np.exp(logits.astype(np.float64) - logits.max())
    assert ranking.confidence == pytest.approx(float(exponents.max() / exponents.sum()), rel=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("temperature", [0.001, 0.5, 1.0, 2.0, 1000.0])
def test_a_temperature_changes_the_probabilities_and_nothing_else(activation: Activation, temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 4, 40).astype(np.float32)
    found, as_they_are = (rank(logits, LABELS, 40, 0, activation, t) for t in (temperature, 1.0))
    expected = probabilities(logits[None], activation, temperature)
    assert expected is not None
    for one, other in zip(found.classes, as_they_are.classes, strict=True):
        assert (one.index, one.logit) == (other.index, other.logit)
        assert one.probability == pytest.approx(expected[0, one.index], abs=1e-6)
    largest = expected.max() if activation == "softmax" else np.maximum(expected, 1 - expected).min()
    assert found.confidence == pytest.approx(largest, abs=1e-6)
    least = float(np.median(expected))
    kept = rank(logits, LABELS, 40, least, activation, temperature).classes
    assert [one.index for one in kept] == [one.index for one in found.classes if one.probability >= least]
