"""One image's attention rows -> the maps that were asked for."""

from dataclasses import dataclass

import numpy as np

from vitscope.bundle import TokenGeometry
from vitscope.server.maps.spec import MapSpec

MEAN = -1


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """What the class token of one layer attends to, in one head (from 0) or on average over the heads (-1).

    values: float32 [rows, cols], the share of each patch. min, max, sum: of the values. cls, distillation, registers: the
    shares of the tokens before the patches. sum + cls + distillation + registers = 1.
    """

    layer: int
    head: int
    values: np.ndarray
    min: float
    max: float
    sum: float
    cls: float
    distillation: float
    registers: float


def select(spec: MapSpec, tokens: TokenGeometry, attention: np.ndarray, prefix: np.ndarray) -> list[AttentionMap]:
    """The maps of one image, by layer and then by head.

    attention, prefix: float32 [heads, patches] and [heads, prefix tokens] of the last layer, from the `classify` graph; or
    with a leading axis of layers, from the `attention` graph.
    """
    if attention.ndim == 2:  # the last layer alone
        chosen = zip(spec.layers, attention[None], prefix[None], strict=True)
    else:
        layers = list(spec.layers)
        chosen = zip(spec.layers, attention[layers], prefix[layers], strict=True)
    return [
        _map(layer, head, patches, before, tokens)
        for layer, rows, prefixes in chosen
        for head, patches, before in _by_head(spec, rows, prefixes)
    ]


def _by_head(spec: MapSpec, rows: np.ndarray, prefixes: np.ndarray) -> list[tuple[int, np.ndarray, np.ndarray]]:
    if spec.heads is None:
        return [(MEAN, rows.mean(axis=0), prefixes.mean(axis=0))]
    return [(head, rows[head], prefixes[head]) for head in spec.heads]


def _map(layer: int, head: int, patches: np.ndarray, prefix: np.ndarray, tokens: TokenGeometry) -> AttentionMap:
    registers = tokens.cls_tokens + tokens.distillation_tokens
    return AttentionMap(
        layer,
        head,
        patches.reshape(tokens.grid_rows, tokens.grid_cols),
        min=float(patches.min()),
        max=float(patches.max()),
        sum=float(patches.sum()),
        cls=float(prefix[: tokens.cls_tokens].sum()),
        distillation=float(prefix[tokens.cls_tokens : registers].sum()),
        registers=float(prefix[registers:].sum()),
    )
