"""One map over the patch grid."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vitscope.bundle import TokenGeometry
from vitscope.server.maps.evidence import Evidence

Outputs = Mapping[str, np.ndarray]
"""Outputs of a graph by name, float32: of one image without the batch axis, or of a batch."""

MEAN = -1
"""Value of `head` for the mean over all heads."""


@dataclass(frozen=True, slots=True)
class PrefixShares:
    """The shares of the tokens before the patches, in the unit of the map."""

    cls: float = 0.0
    distillation: float = 0.0
    registers: float = 0.0

    @classmethod
    def of(cls, prefix: np.ndarray, tokens: TokenGeometry) -> "PrefixShares":
        """Return the shares, given the values of the tokens before the patches."""
        registers = tokens.cls_tokens + tokens.distillation_tokens
        return cls(
            cls=float(prefix[: tokens.cls_tokens].sum()),
            distillation=float(prefix[tokens.cls_tokens : registers].sum()),
            registers=float(prefix[registers:].sum()),
        )


@dataclass(frozen=True, slots=True)
class ClassShares:
    """The class that a map is about, by its index, and what of its logit belongs to no patch."""

    index: int
    rest: float


@dataclass(frozen=True, eq=False, slots=True)
class Map:
    """A method's value for each patch, in one layer and one head (from 0), or the mean over the heads (-1).

    values: float32 [rows, cols], not normalised. min, max, sum: of the values. For attention, the sum and the shares of
    the prefix tokens add up to 1. about: the class, of a class-activation map; then `sum` and `about.rest` add up to
    its logit. evidence: what a map of evidence explains.
    """

    method: str
    layer: int
    head: int
    values: np.ndarray
    min: float
    max: float
    sum: float
    prefix: PrefixShares
    about: ClassShares | None
    evidence: Evidence | None

    @classmethod
    def of(
        cls,
        method: str,
        layer: int,
        head: int,
        values: np.ndarray,
        prefix: PrefixShares = PrefixShares(),
        about: ClassShares | None = None,
        evidence: Evidence | None = None,
    ) -> "Map":
        """Return a map with the statistics of `values`."""
        low, high, total = float(values.min()), float(values.max()), float(values.sum())
        return cls(method, layer, head, values, low, high, total, prefix, about, evidence)
