"""How close logits are to expected ones, by what the model's head makes of them: for certificate and gate alike."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vitscope.bundle.activation import Activation, probabilities

# What float32 cannot tell apart: of small logits, and as a share of the largest one (8 units in the last place).
ABSOLUTE, ROUNDING = 1e-4, 1e-6
F32_SHARE = 1e-5  # of the spread: the largest difference that is accepted between two float32 engines


@dataclass(frozen=True)
class LogitBars:
    """The limits of what is accepted; None where a figure is only reported.

    agreement: least share of images with the same answer. tie: probabilities that are closer to one another (softmax)
    or to 0.5 (sigmoid) decide nothing, so both answers count as the same. worst, mean: largest and mean difference of
    a logit, as a share of the spread. probability, mean_probability: the same of a probability, 0..1.
    """

    agreement: float
    tie: float = 0.0
    worst: float | None = None
    mean: float | None = None
    probability: float | None = None
    mean_probability: float | None = None


@dataclass(frozen=True)
class Scale:
    """The size of a model's logits, over some images.

    spread: standard deviation, over all images and classes. magnitude: largest absolute value. Both are float64 [1];
    where the head has no activation, every output is a quantity of its own: [C], over images. temperature: divides the
    logits where probabilities are made of them, and nowhere else.
    """

    activation: Activation
    spread: np.ndarray
    magnitude: np.ndarray
    temperature: float = 1.0

    @classmethod
    def of(cls, logits: np.ndarray, activation: Activation, temperature: float = 1.0) -> "Scale":
        """Return the scale of finite `logits` [N, C]."""
        values = logits if activation == "none" else logits.reshape(-1, 1)
        spread, magnitude = values.std(0, dtype=np.float64), np.abs(values).max(0).astype(np.float64)
        return cls(activation, spread, magnitude, temperature)

    def tolerance(self, share: float) -> np.ndarray:
        """Return the difference that is `share` of the spread, but never less than what float32 can tell apart."""
        return np.maximum(np.maximum(ABSOLUTE, share * self.spread), ROUNDING * self.magnitude)


class Parity:
    """The differences between logits and expected ones, batch by batch. All of them have to be finite.

    `scale` is that of the expected logits of all images.
    """

    def __init__(self, scale: Scale, bars: LogitBars) -> None:
        self.scale, self.bars = scale, bars
        self._images = self._agreeing = 0
        self._worst, self._sum = np.zeros_like(scale.spread), np.zeros_like(scale.spread)
        self._values = self._probabilities = 0
        self._worst_probability = self._sum_probability = 0.0

    def add(self, found: np.ndarray, expected: np.ndarray) -> None:
        """Compare `found` with `expected`, both float32 [N, C]."""
        errors = np.abs(found.astype(np.float64) - expected)
        by_output = errors.reshape(-1, len(self._worst))
        self._worst = np.maximum(self._worst, by_output.max(0))
        self._sum += by_output.sum(0)
        self._values += len(by_output)
        self._images += len(found)
        activation, temperature = self.scale.activation, self.scale.temperature
        theirs = probabilities(expected, activation, temperature)
        ours = probabilities(found, activation, temperature)
        if ours is None or theirs is None:
            self._agreeing += len(found)
            return
        moved = np.abs(ours - theirs)
        self._worst_probability = max(self._worst_probability, float(moved.max()))
        self._sum_probability += float(moved.sum())
        self._probabilities += moved.size
        self._agreeing += int(np.count_nonzero(self._same(found, expected, theirs)))

    def _same(self, found: np.ndarray, expected: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        """Return which images [N] have the same answer."""
        noise, tie = float(self.scale.tolerance(F32_SHARE)[0]), self.bars.tie
        if self.scale.activation == "sigmoid":
            undecided = (np.abs(theirs - 0.5) <= tie) | (np.abs(expected) <= noise)
            sets: np.ndarray = (((found >= 0) == (expected >= 0)) | undecided).all(-1)
            return sets
        chosen = found.argmax(-1)[:, None]
        behind = expected.max(-1) - np.take_along_axis(expected, chosen, -1)[:, 0]
        less = theirs.max(-1) - np.take_along_axis(theirs, chosen, -1)[:, 0]
        first: np.ndarray = (behind <= noise) | (less <= tie)
        return first

    @property
    def agreement(self) -> float:
        """Share of images with the same answer, 0..1: the first class for softmax, the set of labels at 0.5 for
        sigmoid; 1 for none, where there are only values."""
        return self._agreeing / self._images

    @property
    def worst(self) -> float:
        """Largest difference of a logit."""
        return float(self._worst.max())

    @property
    def mean(self) -> float:
        """Mean difference of a logit."""
        return float(self._sum.sum() / (self._values * len(self._sum)))

    @property
    def spread(self) -> float:
        """Spread of the expected logits; of outputs that are quantities of their own the mean."""
        return float(self.scale.spread.mean())

    @property
    def probability(self) -> float | None:
        """Largest difference of a probability; None where there are none."""
        return self._worst_probability if self._probabilities else None

    def shortfalls(self) -> Iterator[str]:
        """Describe each bar that is missed."""
        bars, activation = self.bars, self.scale.activation
        if self.agreement < bars.agreement:
            what = "the set of labels" if activation == "sigmoid" else "top-1"
            yield f"{what} agrees on {self.agreement:.1%} of the images, at least {bars.agreement:.0%} is accepted"
        if bars.worst is not None:
            yield from self._beyond("up to ", self._worst, bars.worst)
        if bars.mean is not None:
            yield from self._beyond("", self._sum / self._values, bars.mean)
        if bars.probability is not None and (found := self._worst_probability) > bars.probability:
            yield f"a probability differs by {found:.1e}, at most {bars.probability:.0e} is accepted"
        if bars.mean_probability is not None and self._probabilities:
            mean = self._sum_probability / self._probabilities
            if mean > bars.mean_probability:
                yield (
                    f"probabilities differ by {mean:.1e} on average, at most {bars.mean_probability:.0e} is accepted"
                )

    def _beyond(self, up_to: str, found: np.ndarray, share: float) -> Iterator[str]:
        tolerance = self.scale.tolerance(share)
        output = int((found / tolerance).argmax())
        if found[output] <= tolerance[output]:
            return
        average = "" if up_to else " on average"
        of_output = f" of output {output}" if len(found) > 1 else ""
        yield (
            f"logits{of_output} differ by {up_to}{found[output]:.1e}{average}, at most {tolerance[output]:.1e} is "
            f"accepted where their spread is {self.scale.spread[output]:.2g}"
        )
