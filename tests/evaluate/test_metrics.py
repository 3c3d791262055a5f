"""Figures against scikit-learn's and closed forms."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluate.samples import predictions
from vitscope.evaluate import EvaluateError, Predictions
from vitscope.evaluate.calibration_error import bins, expected_calibration_error
from vitscope.evaluate.metrics import measure


@settings(max_examples=40)
@given(st.integers(2, 14), st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 3.0]))
def test_they_are_scikit_learns(classes: int, images: int, seed: int, temperature: float) -> None:
    sample = predictions(classes, images, seed=seed)
    found, truth, said = measure(sample, temperature), sample.truth, sample.predicted
    every = list(range(classes))
    assert found.accuracy.value == pytest.approx(sklearn.metrics.accuracy_score(truth, said))
    matrix = sklearn.metrics.confusion_matrix(truth, said, labels=every)
    assert found.confusion == {(a, b): matrix[a, b] for a in every for b in every if matrix[a, b]}
    scores = sklearn.metrics.precision_recall_fscore_support(truth, said, labels=every, zero_division=0)
    for index, one in enumerate(found.classes):
        shares = (one.precision.value or 0, one.recall.value or 0, one.f1.value or 0, one.images)
        assert shares == pytest.approx([score[index] for score in scores])
        assert all(share.low <= (share.value or 0) <= share.high for share in (one.recall, one.f1) if share.value)
    present = np.unique(truth).tolist()
    macro = sklearn.metrics.precision_recall_fscore_support(
        truth, said, labels=present, average="macro", zero_division=0
    )
    assert (found.macro_precision, found.macro_recall, found.macro_f1) == pytest.approx(macro[:3])
    for divisor, part in ((1, found.before), (temperature, found.after)):
        shares = sample.probabilities(divisor)
        assert part.nll == pytest.approx(sklearn.metrics.log_loss(truth, shares, labels=every), rel=1e-6)
        hot = np.eye(classes)[truth]
        assert part.brier == pytest.approx(((shares - hot) ** 2).sum(-1).mean())
        assert 0 <= part.ece <= 1
    if classes >= 10:
        top = sklearn.metrics.top_k_accuracy_score(truth, sample.logits, k=5, labels=every)
        assert found.top5 is not None and found.top5.value == pytest.approx(top)
    else:
        assert found.top5 is None


def test_the_calibration_error_is_the_weighted_distance_of_its_bins() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.3, 0.7]])
    found = bins(probabilities, np.array([0, 1, 0, 1]), 10)
    assert [one.images for one in found] == [0, 0, 0, 0, 0, 1, 1, 0, 0, 2]
    assert (found[9].confidence, found[9].accuracy) == pytest.approx((0.95, 0.5))
    assert expected_calibration_error(found) == pytest.approx((2 * 0.45 + 0.4 + 0.3) / 4)
    edges = bins(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0, 1]), 2)
    assert [one.images for one in edges] == [1, 1]  # an edge belongs to the bin below, 1 to the last


def test_of_equal_logits_the_first_class_is_meant() -> None:
    sample = predictions(12, 3)
    equal = replace(sample, truth=np.array([0, 4, 5]), logits=np.zeros((3, 12), np.float32))
    found = measure(equal)
    assert equal.predicted.tolist() == [0, 0, 0]
    assert found.top5 is not None and found.top5.value == pytest.approx(2 / 3)


def test_predictions_that_cannot_be_measured_are_refused() -> None:
    good = predictions(3, 4)
    broken = good.logits.copy()
    broken[2, 1] = np.nan
    for changes, text in (
        ({"logits": good.logits[:, :2]}, r"logits \[4, 2\]; accepted for 4 images and 3 labels: \[4\] and \[4, 3\]"),
        ({"truth": np.array([0, 1, 2, 3])}, "truth goes from 0 to 3; accepted: 0 to 2"),
        ({"logits": broken}, "data/0002.png: the model's logits hold NaN"),
        ({"paths": (), "truth": good.truth[:0], "logits": good.logits[:0]}, "no image; at least 1"),
    ):
        with pytest.raises(EvaluateError, match=text):
            replace(good, **changes)
    with pytest.raises(EvaluateError, match="1 label; accepted"):
        Predictions(("a",), (Path("x"),), np.zeros(1, int), np.zeros((1, 1), np.float32))
