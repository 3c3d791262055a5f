"""The fitted temperature is the one that the data were made with, and is sane where they say little."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from tests.evaluate.samples import predictions
from vitscope.calibration import read_calibration
from vitscope.evaluate import Predictions, calibrate, fit_temperature
from vitscope.evaluate.calibration_error import reliability


def nll(sample: Predictions, temperature: float) -> float:
    return reliability(sample.probabilities(temperature), sample.truth).nll


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 2.5, 6.0])
def test_it_finds_what_the_logits_were_multiplied_by(sharpness: float) -> None:
    sample = predictions(6, 4000, sharpness)
    found = fit_temperature(sample.logits, sample.truth)
    assert found == pytest.approx(sharpness, rel=0.06)
    best = minimize_scalar(lambda t: nll(sample, t), bounds=(0.05, 20), method="bounded", options={"xatol": 1e-6})
    assert found == pytest.approx(best.x, rel=2e-3)


@given(st.integers(2, 12), st.integers(1, 40), st.floats(0.1, 8), st.integers(0, 2**32 - 1))
def test_it_never_makes_its_own_images_less_likely(classes: int, images: int, sharpness: float, seed: int) -> None:
    sample = predictions(classes, images, sharpness, seed)
    found = fit_temperature(sample.logits, sample.truth)
    assert 0.05 <= found <= 20
    assert nll(sample, found) <= nll(sample, 1.0) + 1e-12


@pytest.mark.parametrize("images", [1, 5, 50, 5000])
def test_without_a_mistake_it_stays_moderate(images: int) -> None:
    """The likelihood alone has no minimum there: as sure as possible would be best."""
    truth = np.arange(images) % 3
    logits = 4 * np.eye(3, dtype=np.float32)[truth]
    found = fit_temperature(logits, truth)
    assert 0.2 < found <= 1
    largest = float(replace_with(logits, truth).probabilities(found).max())
    assert largest < 1 - 1 / (20 * images + 100)


def replace_with(logits: np.ndarray, truth: np.ndarray) -> Predictions:
    return Predictions(("a", "b", "c"), tuple(map(Path, map(str, range(len(truth))))), truth, logits)


def test_with_nothing_to_learn_from_it_is_1() -> None:
    assert fit_temperature(np.zeros((0, 3), np.float32), np.zeros(0, int)) == 1
    assert fit_temperature(np.zeros((50, 3), np.float32), np.zeros(50, int)) == 1


def test_a_class_without_images_is_no_special_case() -> None:
    sample = predictions(5, 3000, 2.0)
    kept = sample.truth != 4
    some = replace(
        sample,
        paths=tuple(np.array(sample.paths)[kept].tolist()),
        truth=sample.truth[kept],
        logits=sample.logits[kept],
    )
    assert 1.5 < fit_temperature(some.logits, some.truth) < 3.5


def test_what_it_changed_is_written_beside_the_weights(tmp_path: Path) -> None:
    found = calibrate(predictions(6, 1000, 3.0))
    assert found.images == 1000
    assert found.nll_before is not None and found.nll_after is not None and found.nll_after < found.nll_before
    assert found.ece_before is not None and found.ece_after is not None and found.ece_after < found.ece_before / 3
    found.write(tmp_path)
    assert read_calibration(tmp_path) == found
