"""From values to colours, with the numbers that a colour bar shows."""

import math
from dataclasses import dataclass

import numpy as np

from vitscope.drawing.colours import COLOURS, ColourMap

NOT_A_NUMBER = (203, 210, 220)
"""RGB of a value that is not a number."""


@dataclass(frozen=True)
class Scale:
    """A linear scale. low, high: the values of the first and the last colour; what lies beyond gets these.

    unit: what the values are, in words. percent: whether numbers are shown as shares of a hundred.
    """

    low: float
    high: float
    colours: ColourMap = "viridis"
    unit: str = ""
    percent: bool = False

    def colour(self, values: np.ndarray) -> np.ndarray:
        """Return uint8 [..., 3], RGB."""
        values = np.asarray(values, np.float64)
        known = np.isfinite(values)
        span = self.high - self.low
        shares = (np.where(known, values, self.low) - self.low) / span if span > 0 else np.zeros(values.shape)
        found = COLOURS[self.colours][np.clip(shares * 255 + 0.5, 0, 255).astype(np.uint8)]
        found[~known] = NOT_A_NUMBER
        return found

    def ticks(self) -> tuple[float, ...]:
        """Return the values that a colour bar names: both ends, and the middle."""
        return (self.low, (self.low + self.high) / 2, self.high) if self.high > self.low else (self.low,)

    def text(self, value: float) -> str:
        """Format a value with about three digits."""
        return number(100 * value) + "%" if self.percent else number(value)


def sequential(
    values: np.ndarray, unit: str, percent: bool = False, low: float | None = None, high: float | None = None
) -> Scale:
    """Return a scale of viridis from zero, or from the smallest value if that is less, to the largest value."""
    known = _known(values)
    low = min(0.0, float(known.min())) if low is None else low
    return Scale(low, float(known.max()) if high is None else high, "viridis", unit, percent)


def diverging(values: np.ndarray, unit: str, limit: float | None = None) -> Scale:
    """Return a scale from blue over white, which is zero, to orange. It reaches as far on both sides."""
    limit = float(np.abs(_known(values)).max()) if limit is None else limit
    return Scale(-limit, limit, "signed", unit)


def number(value: float) -> str:
    """Format a number with three digits, a real minus sign and no needless zeros."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    text = f"{value:.3g}"
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        text = f"{mantissa}e{int(exponent)}"
        if 0 < abs(int(exponent)) < 7 and abs(value) >= 1:
            text = f"{value:,.0f}"
    return text.replace("-", "−")


def _known(values: np.ndarray) -> np.ndarray:
    """Return the finite values; a single zero if there are none."""
    values = np.asarray(values, np.float64)
    known: np.ndarray = values[np.isfinite(values)]
    return known if known.size else np.zeros(1)
