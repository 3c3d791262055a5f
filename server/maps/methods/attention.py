"""Attention of the class token in a layer, softmax(q_cls k^T / sqrt(d)) (Dosovitskiy et al. 2021).

Where `tokens.attention_from` says so, the mean over all patches as queries, or the row of the head's pooling query.
"""

import math
from collections.abc import Iterator

import numpy as np

from vitscope.bundle import ATTENTION, CLASSIFY, FULL, Manifest, TokenGeometry
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.classes import refuse_classes
from vitscope.server.maps.map import MEAN, Map, Outputs, PrefixShares
from vitscope.server.maps.options import MapOptions
from vitscope.server.maps.spec import MapSpec, choose
from vitscope.server.maps.tokens import index_of

NAME = "attention"
PATCHES, PREFIX = "attention", "attention_prefix"
"""Outputs: attention to the patches and to the tokens before them, float32 [heads, ...] of the last layer in the
`classify` graph, [layers, heads, ...] in the `attention` graph."""

MATRICES = "matrices"
"""Output of the `full` graph: whole matrices, float32 [layers, heads, T, T]."""

_TINY = np.float32(1e-30)


class Attention:
    """A row of the attention matrix for each layer and head. Values and prefix shares sum to 1."""

    name = NAME
    sums_to_one = True
    of_best_class = False

    def plan(self, options: MapOptions, manifest: Manifest) -> MapSpec:
        """Return the spec. Without layers it has the last one; without heads, the mean over them.

        Raises InvalidRequest when a layer or head does not exist, the bundle lacks the graph, or there are too many
        pictures.
        """
        refuse_classes(options.classes, "attention is of no class")
        last = manifest.layers - 1
        layers = choose("layers", options.layers, manifest.layers, lowest=-manifest.layers) or (last,)
        heads = choose("heads", options.heads, manifest.heads) or None
        refuse_classes(options.classes, "attention is of no class")
        rendering = options.rendering and options.rendering.shared_by(len(layers) * len(heads or (MEAN,)))
        if options.token is not None:
            token = index_of(options.token, manifest.tokens)
            require_full(manifest, "token", "no token: then it is the attention of what the head reads")
            return MapSpec(
                self.name, FULL, layers, heads, options.dtype, rendering, token=token, direction=options.direction
            )
        if options.direction != "from":
            raise InvalidRequest("direction", f"{options.direction} without a token", "from, or a token")
        graph = CLASSIFY if layers == (last,) else ATTENTION
        if graph not in manifest.graphs:
            raise InvalidRequest("layers", str(list(layers)), f"{last}; this model has only its last layer")
        return MapSpec(self.name, graph, layers, heads, options.dtype, rendering)

    def make(self, spec: MapSpec, manifest: Manifest, outputs: Outputs) -> list[Map]:
        """Return the maps, ordered by layer and then by head."""
        tokens = manifest.tokens
        patches, prefix = _of_token(spec, outputs, tokens) if spec.graph == FULL else _of_head(spec, outputs)
        return [
            Map.of(
                self.name, layer, head, row.reshape(tokens.grid_rows, tokens.grid_cols), PrefixShares.of(before, tokens)
            )
            for layer, rows, prefixes in zip(spec.layers, patches, prefix, strict=True)
            for head, row, before in _by_head(spec, rows, prefixes)
        ]

    def rows(self, outputs: Outputs) -> np.ndarray | None:
        """Return whole rows, over prefix tokens and patches."""
        parts = [outputs[name] for name in (PREFIX, PATCHES) if name in outputs]
        return np.concatenate(parts, axis=-1) if parts else None

    def entropy(self, outputs: Outputs) -> float | None:
        """Return how evenly the class token of the last layer attends to the patches; None without that output.

        It is the Shannon entropy of the mean over the heads, divided by its maximum, log(patches): 0 if all attention
        is on one patch, 1 if it is uniform. It is 1 also if no attention is on the patches.
        """
        attention = outputs.get(PATCHES)
        if attention is None:
            return None
        heads = attention if attention.ndim == 2 else attention[-1]
        patches = heads.shape[-1]
        if patches == 1:
            return 0.0
        weights = np.add.reduce(heads, axis=0)
        total = float(np.add.reduce(weights))
        if not total > 0:  # all attention is on the prefix tokens; the rest underflowed in 8 or 16 bits
            return 1.0
        # -sum(p log p) for p = w / total, without dividing.
        nats = math.log(total) - float(np.dot(weights, np.log(np.maximum(weights, _TINY)))) / total
        return min(1.0, max(0.0, nats / math.log(patches)))


METHOD = Attention()


def require_full(manifest: Manifest, field: str, instead: str) -> None:
    """Raise InvalidRequest about `field` for a bundle without the graph `full`."""
    if FULL not in manifest.graphs:
        windows = manifest.tokens.attention_from is None
        why = "attends within windows of patches" if windows else "was exported without it"
        raise InvalidRequest(field, f"it needs the graph 'full', and model {manifest.name!r} {why}", instead)


def _of_head(spec: MapSpec, outputs: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows over the patches and over the prefix tokens, [layers, heads, ...], of what the head reads."""
    patches = outputs[PATCHES]
    prefix = outputs[PREFIX] if PREFIX in outputs else patches[..., :0]
    if patches.ndim == 2:  # the last layer alone
        return patches[None], prefix[None]
    return patches[list(spec.layers)], prefix[list(spec.layers)]


def _of_token(spec: MapSpec, outputs: Outputs, tokens: TokenGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of any token: its rows of the matrices, or its columns."""
    matrices = outputs[MATRICES][list(spec.layers)]
    rows = matrices[..., spec.token, :] if spec.direction == "from" else matrices[..., spec.token]
    return rows[..., tokens.prefix :], rows[..., : tokens.prefix]


def _by_head(spec: MapSpec, rows: np.ndarray, prefixes: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    if spec.heads is None:
        yield MEAN, rows.mean(axis=0), prefixes.mean(axis=0)
        return
    for head in spec.heads:
        yield head, rows[head], prefixes[head]
