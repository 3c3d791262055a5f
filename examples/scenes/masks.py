"""How well a map finds what decides the class, where the exact mask of it is known."""

import numpy as np

from vitscope.export.faithfulness.fills import spread


def energy(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the share of the positive values that lies in the mask, [N], 0..1; 0 for a map without positive values.

    maps: [N, rows, cols]; the value of a patch is spread evenly over its pixels. masks: bool [N, H, W].
    """
    positive = np.maximum(maps.astype(np.float64), 0)
    whole = positive.sum(axis=(1, 2))
    pixels = spread(positive, *masks.shape[1:])
    size = masks[0].size / maps[0].size
    inside: np.ndarray = (pixels * masks).sum(axis=(1, 2)) / size
    shares: np.ndarray = np.divide(inside, whole, out=np.zeros_like(whole), where=whole > 0)
    return shares


def overlap(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the intersection over union of the mask and as many patches, the highest of the map, [N], 0..1.

    As many as cover the area of the mask, at least one. No threshold is chosen, so that no method gains by one.
    """
    flat = maps.reshape(len(maps), -1)
    size = masks[0].size / flat.shape[1]
    counts = np.maximum((masks.sum(axis=(1, 2)) / size).round().astype(int), 1)
    ranks = (-flat).argsort(axis=1, kind="stable").argsort(axis=1)
    chosen = spread((ranks < counts[:, None]).reshape(maps.shape), *masks.shape[1:])
    found: np.ndarray = (chosen & masks).sum(axis=(1, 2)) / (chosen | masks).sum(axis=(1, 2))
    return found
