"""The second input of a graph that explains classes: which ones, and how many of them an engine runs at a time.

A run takes `target_class`, int64 [n, k]: an entry c >= 0 is class c, and -r is the r-th most probable one.
"""

import numpy as np

TARGETS = "target_class"
"""Name of the input."""

SIZES = (1, 2, 6, 11)
"""The values of k that engines run: one class, five, or ten, each also with one more to contrast them with. Engines
prepare kernels for each shape, so others are padded."""

MOST_CLASSES = SIZES[-1]
BEST = -1
"""The most probable class."""


def padded(count: int) -> int:
    """Return the smallest of SIZES that is not below `count`, 1 to MOST_CLASSES. Raises ValueError for others."""
    if not 1 <= count <= MOST_CLASSES:
        raise ValueError(f"classes to explain: found {count}, accepted: 1 to {MOST_CLASSES}")
    return next(size for size in SIZES if size >= count)


def class_buffer(max_batch: int) -> np.ndarray:
    """Return a slot's buffer for the input, int64 [max_batch, MOST_CLASSES], that asks for the most probable class."""
    return np.full((max_batch, MOST_CLASSES), BEST, np.int64)
