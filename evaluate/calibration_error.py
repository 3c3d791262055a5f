"""How far probabilities can be relied on."""

from dataclasses import dataclass

import numpy as np

BINS = 15
BINNING = f"{BINS} bins of equal width over the largest probability, weighted by their images (arXiv:1706.04599)"
_LEAST = 1e-300  # a probability that underflowed: its logarithm stays finite


@dataclass(frozen=True)
class Reliability:
    """What the probabilities are worth.

    nll: mean negative log-likelihood of the true class, in nats. brier: mean over images of the squared differences
    from 1 for the true class and 0 for the others, summed over all classes, 0..2. ece: expected calibration error,
    0..1. confidence: mean of the largest probability.
    """

    nll: float
    brier: float
    ece: float
    confidence: float


@dataclass(frozen=True)
class Bin:
    """The images whose largest probability lies in one of the bins: (low, high], the first with 0 too.

    confidence, accuracy: means over its images, 0..1; 0 where it has none.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> Reliability:
    """Return the figures of float64 [N, C] for int64 [N] true classes; N is 1 or more."""
    of_truth = np.take_along_axis(probabilities, truth[:, None], -1)[:, 0]
    squares = (probabilities**2).sum(-1) - 2 * of_truth + 1
    return Reliability(
        nll=float(-np.log(np.maximum(of_truth, _LEAST)).mean()),
        brier=float(squares.mean()),
        ece=expected_calibration_error(bins(probabilities, truth)),
        confidence=float(probabilities.max(-1).mean()),
    )


def bins(probabilities: np.ndarray, truth: np.ndarray, count: int = BINS) -> tuple[Bin, ...]:
    """Sort the images into `count` bins by their largest probability."""
    confidence, correct = probabilities.max(-1), probabilities.argmax(-1) == truth
    edges = np.linspace(0, 1, count + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, count - 1)
    images = np.bincount(place, minlength=count)
    divisor = np.maximum(images, 1)
    means = (np.bincount(place, values, count) / divisor for values in (confidence, correct))
    return tuple(
        Bin(float(low), float(high), int(number), float(sure), float(right))
        for low, high, number, sure, right in zip(edges, edges[1:], images, *means, strict=False)
    )


def expected_calibration_error(found: tuple[Bin, ...]) -> float:
    """Return the mean distance between confidence and accuracy, weighted by the images of each bin."""
    images = sum(one.images for one in found)
    return sum(one.images * abs(one.confidence - one.accuracy) for one in found) / images
