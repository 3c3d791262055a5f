"""Intervals and McNemar's test against SciPy's, published examples and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from vitscope.evaluate.intervals import f1, paired_difference, wilson
from vitscope.evaluate.mcnemar import mcnemar

COUNT = st.integers(0, 400)


@given(COUNT, COUNT)
def test_wilson_is_scipys(successes: int, failures: int) -> None:
    found = wilson(successes, successes + failures)
    if not successes + failures:
        assert (found.value, found.low, found.high) == (None, 0, 1)
        return
    expected = binomtest(successes, successes + failures).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(COUNT, COUNT, COUNT)
def test_f1_is_inside_its_interval(right: int, wrong: int, missed: int) -> None:
    found = f1(right, wrong, missed)
    if right + wrong + missed:
        assert found.value == pytest.approx(2 * right / (2 * right + wrong + missed))
        assert 0 <= found.low <= found.value <= found.high <= 1


@given(COUNT, COUNT, COUNT, COUNT)
def test_the_difference_of_pairs_turns_round_with_them(both: int, first: int, second: int, neither: int) -> None:
    found, turned = paired_difference(both, first, second, neither), paired_difference(both, second, first, neither)
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low))
    if found.value is not None:
        assert found.value == pytest.approx((second - first) / (both + first + second + neither))
        assert -1 <= found.low <= found.value <= found.high <= 1


def test_the_interval_of_a_difference_covers_it_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    shares, covered = (0.7, 0.06, 0.1, 0.14), 0
    for counts in random.multinomial(200, shares, 400).tolist():
        found = paired_difference(*counts)
        covered += found.low <= 0.04 <= found.high
    assert 0.93 <= covered / 400 <= 0.99


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_a_binomial_test(first: int, second: int) -> None:
    found = mcnemar(first, second)
    exact = binomtest(first, first + second).pvalue if first + second else 1.0
    if first + second <= 25:
        assert (found.test, found.p) == ("exact", pytest.approx(exact))
    else:
        less = binom.pmf(first, first + second, 0.5) * (0.5 if first == second else 1)
        assert (found.test, found.p) == ("mid-p", pytest.approx(exact - less, abs=1e-9))


def test_mcnemar_of_many_images() -> None:
    assert mcnemar(5000, 5400).p == pytest.approx(8.8e-5, rel=0.02)  # (400 / sqrt(10400)) of a normal
    assert mcnemar(0, 100_000).p == 0
    assert mcnemar(0, 0).p == 1
