"""Class-activation map: the share of each patch in the logit of the most probable class (arXiv:1512.04150).

Exact, for heads that are linear on the mean over patches: the values and `rest` add up to that logit.
"""

import numpy as np

from vitscope.bundle import CLASSIFY, Manifest
from vitscope.server.maps.classes import refuse_classes
from vitscope.server.maps.map import MEAN, ClassShares, Map, Outputs
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.spec import MapSpec, choose_last

NAME = "cam"
SHARES, REST = "cam", "cam_rest"
"""Outputs: the shares, float32 [patches], and what of the logit belongs to no patch, [1]."""


class Cam:
    """One map, of the last layer, about the most probable class. Values have both signs, in the unit of the logits."""

    name = NAME
    sums_to_one = False
    of_best_class = True

    def plan(self, options: MapOptions, manifest: Manifest) -> MapSpec:
        """Return the spec. Raises InvalidRequest for other layers than the last, and for heads."""
        layers = choose_last(
            options.layers, options.heads, manifest.layers, "class-activation maps are of the last layer",
            "a class-activation map is not made of attention heads",
        )  # fmt: skip
        refuse_classes(options.classes, "class-activation maps are of the most probable class")
        return MapSpec(self.name, CLASSIFY, layers, None, options.dtype, options.rendering)

    def make(self, spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
        """Return the one map."""
        tokens = manifest.tokens
        values = outputs[SHARES].reshape(tokens.grid_rows, tokens.grid_cols)
        about = ClassShares(int(outputs["logits"].argmax()), float(outputs[REST][0]))
        return [Map.of(self.name, spec.layers[0], MEAN, values, about=about)]

    def rows(self, outputs: Outputs) -> np.ndarray | None:
        """Return the shares."""
        return outputs.get(SHARES)


METHOD = Cam()
