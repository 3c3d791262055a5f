"""McNemar's test: are two models that saw the same images equally often right?"""

import math
from dataclasses import dataclass

# Up to so many images on which one of them alone is right, the exact test; beyond, mid-p, which is less conservative.
FEW = 25


@dataclass(frozen=True)
class McNemar:
    """The outcome. test: "exact" or "mid-p". p: two-sided, 0..1; 1 where there is no such image."""

    only_first: int
    only_second: int
    test: str
    p: float


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """Test the numbers of images on which the first, and the second, model alone is right.

    Both tests are binomial, conditional on the sum: exact (two-sided, doubled), and mid-p, which takes half the
    probability of what was seen (Fagerland et al. 2013, doi:10.1186/1471-2288-13-91).
    """
    total, fewer = only_first + only_second, min(only_first, only_second)
    seen = _probability(fewer, total)
    exact = min(2 * math.fsum(_probability(number, total) for number in range(fewer + 1)), 1.0)
    if total <= FEW:
        return McNemar(only_first, only_second, "exact", exact)
    middle = 1 - seen / 2 if only_first == only_second else exact - seen
    return McNemar(only_first, only_second, "mid-p", max(min(middle, 1.0), 0.0))


def _probability(number: int, total: int) -> float:
    """Return the probability of `number` heads of `total` fair coins."""
    log = math.lgamma(total + 1) - math.lgamma(number + 1) - math.lgamma(total - number + 1)
    return math.exp(log - total * math.log(2))
