"""The reliability diagram: is the model right as often as it says?"""

from pathlib import Path
from typing import Any

import numpy as np

from vitscope.evaluate.calibration_error import bins, expected_calibration_error
from vitscope.evaluate.intervals import wilson
from vitscope.evaluate.pictures.canvas import BLUE, GREY, INK, ORANGE, picture
from vitscope.evaluate.predictions import Predictions


def draw_reliability(predictions: Predictions, temperature: float, path: Path) -> None:
    """Draw accuracy over confidence, with the number of images below; before and after a temperature side by side."""
    shown = [(1.0, "logits as they are")] if temperature == 1 else [
        (1.0, "logits as they are"), (temperature, f"temperature {temperature:.3g}"),
    ]  # fmt: skip
    with picture(path, 430, 430 * len(shown)) as figure:
        axes = figure.subplots(2, len(shown), squeeze=False, sharex=True, height_ratios=(3, 1))
        for column, (divisor, title) in enumerate(shown):
            _column(axes[:, column], predictions.probabilities(divisor), predictions.truth, title)


def _column(axes: Any, probabilities: np.ndarray, truth: np.ndarray, title: str) -> None:
    upper, lower = axes
    found = bins(probabilities, truth)
    used = [one for one in found if one.images]
    width = found[0].high - found[0].low
    upper.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="right as often as it says")
    upper.legend(loc="best", fontsize=8)
    sure, right = np.array([one.confidence for one in used]), np.array([one.accuracy for one in used])
    ends = [wilson(round(one.accuracy * one.images), one.images) for one in used]
    below = right - np.array([share.low for share in ends])
    above = np.array([share.high for share in ends]) - right
    upper.vlines(sure, np.minimum(sure, right), np.maximum(sure, right), color=ORANGE, linewidth=5, alpha=0.5)
    upper.errorbar(sure, right, (np.maximum(below, 0), np.maximum(above, 0)), fmt="o", color=BLUE, markersize=5,
                   elinewidth=1, capsize=2)  # fmt: skip
    upper.set(xlim=(0, 1.02), ylim=(-0.02, 1.03), ylabel="accuracy")  # so that no mark is cut
    error = expected_calibration_error(found)
    upper.set_title(f"{title}: calibration error {error:.1%}", loc="left", color=INK)
    lower.bar([one.low for one in found], [one.images for one in found], width * 0.94, align="edge", color=BLUE)
    lower.set(xlabel="confidence: probability of the predicted class", ylabel="images")
    lower.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    upper.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
