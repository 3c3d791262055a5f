"""Ledgers add up, and shares say where evidence lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vitscope.server.maps.evidence import Ledger, Shares, outliers_of

NUMBERS = st.floats(-100, 100)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_all_terms_make_the_target(target: float, base: float, patches: float, own: float, registers: float) -> None:
    ledger = Ledger.of(target, base, patches, own, registers, None)
    assert base + patches + own + registers + ledger.completeness_error == pytest.approx(target, abs=1e-9)
    partial = Ledger.partial(target, patches)
    assert partial.patches + partial.completeness_error == pytest.approx(target, abs=1e-9)


def shares(values: object, own: float | None = 0.0, outliers: object = None) -> Shares:
    ledger = Ledger.partial(0.0, 0.0) if own is None else Ledger.of(0.0, 0.0, 0.0, own, 0.0, None)
    marked = None if outliers is None else np.array(outliers, bool)
    return Shares.of(np.array(values, np.float32), ledger, marked)


def test_shares_go_by_absolute_value() -> None:
    values = np.zeros((4, 5))
    values[1, 2], values[0, 0], values[3, 4] = 2, -1, 1
    found = shares(values, own=-4, outliers=values == -1)
    assert (found.border, found.prefix, found.outliers) == (0.5, 0.5, 0.25)


def test_a_grid_without_inner_patches_is_all_border() -> None:
    assert shares([[1.0, -2.0]]).border == shares([[1.0], [0.5]]).border == shares(np.ones((2, 9))).border == 1


def test_without_evidence_there_are_no_shares_to_speak_of() -> None:
    assert shares(np.zeros((3, 3)), outliers=np.ones((3, 3))) == Shares(0.0, 0.0, 0.0)


def test_what_a_mode_or_graph_does_not_tell_is_none() -> None:
    assert shares(np.ones((3, 3)), own=None) == Shares(pytest.approx(8 / 9), None, None)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-10, 10, width=32)))
def test_shares_are_between_none_and_all(values: np.ndarray) -> None:
    found = shares(values, own=1.0, outliers=values > 0)
    assert all(share is not None and 0 <= share <= 1 for share in (found.border, found.prefix, found.outliers))


def test_outliers_have_three_times_the_median_norm() -> None:
    norms = np.array([1, 1.1, 0.9, 1, 2.9, 3.1, 40], np.float32)
    assert outliers_of(norms).tolist() == [False] * 5 + [False, True] or outliers_of(norms)[-1]
    assert outliers_of(np.ones(9, np.float32)).sum() == 0
    assert outliers_of(np.array([1, 1, 1, 3.01], np.float32)).tolist() == [False, False, False, True]
