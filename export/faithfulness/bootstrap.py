"""Confidence intervals of means, by the bootstrap: nothing is assumed of how values are distributed."""

import numpy as np

from vitscope.bundle import Interval

RESAMPLES, LEVEL = 2000, 0.95


def interval(values: np.ndarray, seed: int = 0) -> Interval:
    """Return the mean of values [N] of independent images, with its 95 % interval (percentiles of resampled means)."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values.astype(np.float64)[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean=float(values.mean(dtype=np.float64)), low=float(low), high=float(high))
