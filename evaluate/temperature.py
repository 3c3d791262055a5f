"""Temperature scaling: one number that makes probabilities as large as they are right (arXiv:1706.04599)."""

from collections.abc import Callable

import numpy as np

from vitscope.calibration import Calibration
from vitscope.evaluate.calibration_error import reliability
from vitscope.evaluate.predictions import Predictions

LEAST, MOST = 0.05, 20.0
_GRID, _STEPS = 25, 20
_GOLDEN = (5**0.5 - 1) / 2
# How far from 1 a temperature may be expected to lie, before any image is seen: by a factor of e, either way.
_WIDTH = 1.0


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the temperature, 0.05..20, that minimises the NLL of float [N, C] logits for int64 [N] true classes.

    The likelihood has no minimum where the model makes no mistake, and few images say little. So log T has a normal
    prior around 0 that weighs as much as a few images: hundreds of them outvote it (it moves the result by less than a
    hundredth), without any the result is 1, and the NLL on these images never gets worse than at 1. Classes without
    images are no special case.
    """
    if not len(truth):
        return 1.0
    values = logits.astype(np.float64)
    values = values - values.max(-1, keepdims=True)
    of_truth = float(np.take_along_axis(values, truth[:, None], -1).sum())

    def cost(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        likelihood = of_truth * inverse - np.log(np.exp(values * inverse).sum(-1)).sum()
        return float(log_temperature**2 / (2 * _WIDTH**2) - likelihood)

    grid = np.linspace(np.log(LEAST), np.log(MOST), _GRID)  # its middle is T = 1
    best = int(np.argmin([cost(point) for point in grid]))
    found = _golden(cost, grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)])
    return float(np.exp(found)) if cost(found) < cost(0.0) else 1.0


def calibrate(validation: Predictions) -> Calibration:
    """Fit the temperature on validation images; the result knows how to write itself beside the weights."""
    temperature = fit_temperature(validation.logits, validation.truth)
    before, after = (reliability(validation.probabilities(t), validation.truth) for t in (1.0, temperature))
    return Calibration(
        temperature=temperature,
        images=len(validation),
        nll_before=before.nll,
        nll_after=after.nll,
        ece_before=before.ece,
        ece_after=after.ece,
    )


def _golden(cost: Callable[[float], float], low: float, high: float) -> float:
    """Return where `cost` is least between two points, by golden-section search."""
    first, second = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    of_first, of_second = cost(first), cost(second)
    for _ in range(_STEPS):
        if of_first < of_second:
            high, second, of_second = second, first, of_first
            first = high - _GOLDEN * (high - low)
            of_first = cost(first)
        else:
            low, first, of_first = first, second, of_second
            second = low + _GOLDEN * (high - low)
            of_second = cost(second)
    return (low + high) / 2
