"""Principal filters of a patch embedding, in numpy."""

from dataclasses import dataclass

import numpy as np

MOST = 28
"""How many are shown, as in the figure of arXiv:2010.11929."""


@dataclass(frozen=True, eq=False)
class Principal:
    """filters: [K, 3, h, w] of length 1, most variance first. shares: of the kernel's variance, [K]; they sum to 1."""

    filters: np.ndarray
    shares: np.ndarray


def principal_filters(kernel: np.ndarray) -> Principal:
    """Take the singular value decomposition of a kernel [D, 3, h, w]. Signs are such that sums are not negative."""
    _, strengths, rows = np.linalg.svd(kernel.reshape(len(kernel), -1).astype(np.float64), full_matrices=False)
    signs = np.where(rows.sum(axis=1) < 0, -1.0, 1.0)
    shares = strengths**2 / max(float((strengths**2).sum()), 1e-300)
    return Principal((rows * signs[:, None]).reshape(-1, *kernel.shape[1:]), shares)
