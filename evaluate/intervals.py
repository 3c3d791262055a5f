"""Confidence intervals of shares, which hold for few images and at 0 and 1 too."""

import math
from dataclasses import dataclass
from statistics import NormalDist

LEVEL = 0.95
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
METHOD = "Wilson score, 95 %; of F1: Wilson's of TP / (TP + FP + FN), transformed (arXiv:2309.14621)"


@dataclass(frozen=True)
class Share:
    """A share with its interval, all 0..1. value: None where there is nothing to divide by: all is possible then."""

    value: float | None
    low: float
    high: float

    def __str__(self) -> str:
        return "–" if self.value is None else f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"


def wilson(successes: int, trials: int) -> Share:
    """Return the share of successes with Wilson's score interval (1927)."""
    if not trials:
        return Share(None, 0.0, 1.0)
    share, weight = successes / trials, _Z * _Z / trials
    centre = (share + weight / 2) / (1 + weight)
    half = _Z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    # At the ends the interval reaches exactly 0 and 1, which rounding would miss.
    low = 0.0 if successes == 0 else max(centre - half, 0.0)
    high = 1.0 if successes == trials else min(centre + half, 1.0)
    return Share(share, low, high)


def f1(true_positives: int, false_positives: int, false_negatives: int) -> Share:
    """Return F1 with its interval.

    F1 is 2J / (1 + J), where J = TP / (TP + FP + FN) is the share of one event among independent ones: its Wilson
    interval becomes that of F1.
    """
    share = wilson(true_positives, true_positives + false_positives + false_negatives)
    low, high = (2 * bound / (1 + bound) for bound in (share.low, share.high))
    return Share(None if share.value is None else 2 * share.value / (1 + share.value), low, high)


def paired_difference(both: int, only_first: int, only_second: int, neither: int) -> Share:
    """Return how much larger the second of two shares on the same images is, -1..1, with Newcombe's interval.

    Method 10 of Newcombe (1998), Statistics in Medicine 17: 2635-2650: Wilson's intervals of both shares, and their
    correlation with a continuity correction. The counts are of images.
    """
    images = both + only_first + only_second + neither
    if not images:
        return Share(None, -1.0, 1.0)
    first, second = wilson(both + only_first, images), wilson(both + only_second, images)
    assert first.value is not None and second.value is not None
    correlation = _correlation(both, only_first, only_second, neither)

    def width(a: float, b: float) -> float:
        return math.sqrt(max(a * a - 2 * correlation * a * b + b * b, 0.0))

    difference = second.value - first.value
    down = width(second.value - second.low, first.high - first.value)
    up = width(second.high - second.value, first.value - first.low)
    return Share(difference, max(difference - down, -1.0), min(difference + up, 1.0))


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    images = both + only_first + only_second + neither
    product = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if not product:
        return 0.0
    found = both * neither - only_first * only_second
    if found > 0:
        found = max(found - images / 2, 0)  # type: ignore[assignment]
    return found / math.sqrt(product)
