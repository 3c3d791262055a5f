"""Attention rollout (Abnar & Zuidema 2020, arXiv:2005.00928): attention followed through the layers to the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vitscope.server.errors import InvalidRequest

Fusion = Literal["mean", "max", "min"]


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """fusion: how the heads of a layer become one. discard: share of the patches in each row that are set to 0.

    from_layer: first layer of the product; a negative one counts from the last. Raises InvalidRequest for a `discard`
    out of range.
    """

    fusion: Fusion = "mean"
    discard: float = 0.0
    from_layer: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.discard < 1:
            raise InvalidRequest("discard", f"{self.discard:g}", "0 to below 1")

    def first_of(self, layers: int) -> int:
        """Return the first layer of the product. Raises InvalidRequest for one that the model does not have."""
        if not -layers <= self.from_layer < layers:
            raise InvalidRequest("from_layer", str(self.from_layer), f"{-layers} to {layers - 1}")
        return self.from_layer % layers


MEAN_OF_ALL = RolloutOptions()


def rollout(matrices: np.ndarray, tokens: Sequence[int], options: RolloutOptions, prefix: int) -> np.ndarray:
    """Return the rows of some tokens of the product over layers of 0.5 A + 0.5 I, with rows that sum to 1.

    matrices: float32 [L, H, T, T]. prefix: tokens before the patches, which `discard` keeps. The rows are followed from
    the last layer down, so that no product of two matrices is needed. Returns float32 [tokens, T].
    """
    layers, _, count, _ = matrices.shape
    rows = np.zeros((len(tokens), count), np.float64)
    rows[np.arange(len(tokens)), list(tokens)] = 1
    for layer in range(layers - 1, options.first_of(layers) - 1, -1):
        fused = _fused(matrices[layer], options.fusion)
        if options.discard:
            fused = _without_least(fused, options.discard, prefix)
        mixed = 0.5 * fused + 0.5 * np.eye(count, dtype=np.float32)
        rows = rows @ (mixed / mixed.sum(axis=-1, keepdims=True, dtype=np.float64))
    return rows.astype(np.float32)


def _fused(heads: np.ndarray, fusion: Fusion) -> np.ndarray:
    """Fuse the heads, [H, T, T], to one matrix."""
    match fusion:
        case "mean":
            fused: np.ndarray = heads.mean(axis=0)
        case "max":
            fused = heads.max(axis=0)
        case "min":
            fused = heads.min(axis=0)
    return fused


def _without_least(matrix: np.ndarray, share: float, prefix: int) -> np.ndarray:
    """Set the patches with the least attention to 0 in each row: rounded down to whole patches."""
    patches = matrix[:, prefix:].copy()
    dropped = int(share * patches.shape[-1])
    if dropped:
        least = np.argpartition(patches, dropped - 1, axis=-1)[:, :dropped]
        np.put_along_axis(patches, least, 0, axis=-1)
    return np.concatenate([matrix[:, :prefix], patches], axis=-1)
