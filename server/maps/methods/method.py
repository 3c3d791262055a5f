"""What an explanation method has to say of itself to be served."""

from typing import Protocol

import numpy as np

from vitscope.bundle import Manifest
from vitscope.server.maps.map import Map, Outputs
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.spec import MapSpec


class Method(Protocol):
    """One way to explain an answer. Its counterpart in export/methods/ puts the outputs into the graphs that it reads here."""

    @property
    def name(self) -> str:
        """In the registry, in the manifest's `methods`, and as MAP_METHOD_<NAME> in the protos."""

    def plan(self, options: MapOptions, manifest: Manifest) -> MapSpec:
        """Return which graph is needed, and what is to be made of its outputs. Raises InvalidRequest where the options name
        what the model does not have."""

    def make(self, spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
        """Return the maps of one image from the outputs of the planned graph, without the batch axis."""

    def rows(self, outputs: Outputs) -> np.ndarray | None:
        """Return what the gate compares of a batch's outputs, [N, ..., K] float32; None for a graph without it."""

    @property
    def sums_to_one(self) -> bool:
        """Whether each of these rows is a distribution, which the gate checks."""
