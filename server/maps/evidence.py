"""What a map of evidence says beside its values: of which class, against which, and how it adds up."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vitscope.server.maps.classes import Mode

Target = Literal["log_probability", "logit"]
Tokens = Literal["last_attention", "output", "both"]

_OUTLIER = 3.0
"""A token is an outlier whose norm is more than so many times the median."""


@dataclass(frozen=True, slots=True)
class ExplainedClass:
    """A class, by its index and its label."""

    index: int
    label: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the target is made of, in its unit. base + patches + cls_self + registers + completeness_error = target.

    Where a mode does not account for all of it, what it does not know is None; patches + completeness_error = target.
    """

    target: float
    base: float | None
    patches: float
    cls_self: float | None
    registers: float | None
    completeness_error: float
    last_block_share: float | None

    @classmethod
    def of(
        cls, target: float, base: float, patches: float, cls_self: float, registers: float, share: float | None
    ) -> "Ledger":
        """Return a full ledger."""
        left = target - (base + patches + cls_self + registers)
        return cls(target, base, patches, cls_self, registers, left, share)

    @classmethod
    def partial(cls, target: float, patches: float) -> "Ledger":
        """Return the ledger of a mode that knows the patches alone."""
        return cls(target, None, patches, None, None, target - patches, None)


@dataclass(frozen=True, slots=True)
class Shares:
    """Where the evidence lies, by absolute value, 0..1; None where it is not known.

    border: of that in the patches, what is in the outer rows and columns. prefix: of all, what was read from the tokens
    before the patches. outliers: of that in the patches, what is on outliers.
    """

    border: float
    prefix: float | None
    outliers: float | None

    @classmethod
    def of(cls, values: np.ndarray, ledger: Ledger, outliers: np.ndarray | None) -> "Shares":
        """Measure a map [rows, cols]. outliers: bool, of the same shape."""
        weights = np.abs(values, dtype=np.float64)
        total, inner = float(weights.sum()), float(weights[1:-1, 1:-1].sum())
        prefix = None
        if ledger.cls_self is not None and ledger.registers is not None:
            before = abs(ledger.cls_self) + abs(ledger.registers)
            prefix = _share(before, before + total)
        return cls(
            _share(total - inner, total),
            prefix,
            None if outliers is None else _share(float(weights[outliers].sum()), total),
        )


@dataclass(frozen=True, eq=False, slots=True)
class Evidence:
    """What a map explains. versus: with it, values and ledger are those of `explained` less those of this class.

    tokens: which ones the patches stand for. outliers: bool [rows, cols]; None where the graph does not tell.
    """

    explained: ExplainedClass
    versus: ExplainedClass | None
    target: Target
    mode: Mode
    ledger: Ledger
    tokens: Tokens
    shares: Shares
    outliers: np.ndarray | None


def outliers_of(norms: np.ndarray) -> np.ndarray:
    """Return which tokens are outliers, bool, for their norms, float32 of any shape."""
    found: np.ndarray = norms > _OUTLIER * np.median(norms)
    return found


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0
