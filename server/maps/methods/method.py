"""The interface of an explanation method."""

from typing import Protocol

import numpy as np

from vitscope.bundle import Manifest
from vitscope.server.maps.map import Map, Outputs
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.spec import MapSpec


class Method(Protocol):
    """One way to explain an answer. Its counterpart in export/methods/ adds the outputs that it reads to the graphs."""

    @property
    def name(self) -> str:
        """Name in the registry, in the manifest's `methods`, and as MAP_METHOD_<NAME> in the protos."""

    def plan(self, options: MapOptions, manifest: Manifest) -> MapSpec:
        """Return the graph to run and the maps to make of its outputs.

        Raises InvalidRequest if the options name something that the model does not have.
        """

    def make(self, spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
        """Return the maps of one image from the outputs of the planned graph, without the batch axis."""

    def rows(self, outputs: Outputs) -> np.ndarray | None:
        """Return the rows of a batch that the gate compares, float32 [N, ..., K]; None for a graph without them."""

    @property
    def sums_to_one(self) -> bool:
        """True if each of these rows sums to 1, which the gate checks."""

    @property
    def of_best_class(self) -> bool:
        """True if these rows are about the most probable class, and compare only where that is the same."""
