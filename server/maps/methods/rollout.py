"""Attention rollout as a map: the share of each patch in what a token has attended to through all layers."""

import numpy as np

from vitscope.bundle import FULL, Manifest
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.classes import refuse_classes
from vitscope.server.maps.map import MEAN, Map, Outputs, PrefixShares
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.rollout import rollout
from vitscope.server.maps.spec import MapSpec
from vitscope.server.maps.tokens import index_of

NAME = "rollout"
MATRICES = "matrices"
"""Output of the `full` graph: attention of every layer and head, float32 [layers, heads, T, T]."""


class Rollout:
    """One map, of the last layer. Values and prefix shares sum to 1."""

    name = NAME
    sums_to_one = True
    of_best_class = False

    def plan(self, options: MapOptions, manifest: Manifest) -> MapSpec:
        """Return the spec, with the first token if none is asked for. Raises InvalidRequest for layers and heads."""
        for field, chosen, instead in (
            ("layers", options.layers, "none; rollout.from_layer says where rollout begins"),
            ("heads", options.heads, "none; rollout.fusion says how heads become one"),
        ):
            if chosen:
                raise InvalidRequest(field, chosen if chosen == "all" else str(list(chosen)), instead)
        if options.direction != "from":
            raise InvalidRequest("direction", options.direction, "from; rollout follows what a token attends to")
        token = 0 if options.token is None else index_of(options.token, manifest.tokens)
        options.rollout.first_of(manifest.layers)
        last = (manifest.layers - 1,)
        refuse_classes(options.classes, "rollout is of no class")
        return MapSpec(
            self.name, FULL, last, None, options.dtype, options.rendering, token=token, rollout=options.rollout
        )

    def make(self, spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
        """Return the one map."""
        tokens, token = manifest.tokens, spec.token or 0
        (row,) = rollout(outputs[MATRICES], [token], spec.rollout, tokens.prefix)
        values = row[tokens.prefix :].reshape(tokens.grid_rows, tokens.grid_cols)
        return [Map.of(self.name, spec.layers[0], MEAN, values, PrefixShares.of(row[: tokens.prefix], tokens))]

    def rows(self, outputs: Outputs) -> np.ndarray | None:
        """Return the mean over all queries of each matrix."""
        matrices = outputs.get(MATRICES)
        return None if matrices is None else matrices.mean(axis=-2)


METHOD = Rollout()
