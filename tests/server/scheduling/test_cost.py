"""Predicted run times by batch size."""

import pytest

from vitscope.server.scheduling.cost import CostModel


def test_it_interpolates_between_measured_sizes_and_extrapolates_beyond() -> None:
    costs = CostModel({1: 0.010, 2: 0.012, 4: 0.020})
    assert costs.seconds(0) == 0
    assert costs.seconds(1) == pytest.approx(0.010)
    assert costs.seconds(3) == pytest.approx(0.016)
    assert costs.seconds(8) == pytest.approx(0.040)


def test_the_best_batch_is_the_smallest_beyond_which_throughput_hardly_grows() -> None:
    assert CostModel({1: 0.010, 2: 0.012, 4: 0.020, 8: 0.0395}).best_batch == 4
    assert CostModel({1: 0.010, 2: 0.020, 4: 0.040}).best_batch == 1
    assert CostModel({1: 0.010, 2: 0.0199, 4: 0.020}).best_batch == 4  # a dip in between does not stop the search


def test_a_backlog_is_full_batches_and_a_rest() -> None:
    costs = CostModel({1: 0.010, 2: 0.012, 4: 0.020})
    assert costs.best_batch == 4
    assert costs.backlog(9) == pytest.approx(2 * 0.020 + 0.010)


def test_predictions_follow_observed_runs() -> None:
    costs = CostModel({1: 0.010, 4: 0.020})
    for _ in range(100):
        costs.observe(4, 0.040)
    assert costs.seconds(1) == pytest.approx(0.020, rel=0.01)
    costs.observe(1, 3600)
    assert costs.seconds(1) < 0.05  # one stalled run does not count for hours


@pytest.mark.parametrize("measured", [{}, {0: 0.1}, {1: 0.0}])
def test_impossible_measurements_are_refused(measured: dict[int, float]) -> None:
    with pytest.raises(ValueError, match="expected positive seconds"):
        CostModel(measured)
