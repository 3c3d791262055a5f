"""What the small views of a result show: classes, and maps with their scales."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitscope.drawing import Place, Scale, diverging, sequential


@dataclass(frozen=True, eq=False)
class MapView:
    """One map. values: [rows, cols]."""

    title: str
    values: NDArray[np.float32]
    signed: bool


@dataclass(frozen=True, eq=False)
class View:
    """A result. classes: label, bar (0 to 1; 0 where there are no probabilities) and number, most probable first.

    place: where the patches lie on the image; None without maps.
    """

    title: str
    classes: tuple[tuple[str, float, str], ...]
    maps: tuple[MapView, ...]
    place: Place | None

    def scale_of(self, one: MapView) -> Scale:
        """Return colours from zero to the largest value of all maps of its kind, so that they can be compared."""
        values = np.concatenate([other.values.ravel() for other in self.maps if other.signed == one.signed])
        if one.signed:
            return diverging(values, "share of the patch")
        return sequential(values, "share of attention", percent=True)
