"""Tables of sines and cosines, as masked autoencoders and others have them (arXiv:2111.06377)."""

import numpy as np

_CLOSE = 1e-4


def is_sine(table: np.ndarray) -> bool:
    """Return whether the patches' rows of a table [T, D] are sines and cosines of their row and column.

    Of a square grid, at whole numbers: not where the table was interpolated to another size.
    """
    width = table.shape[1]
    side = next((side for side in range(int(len(table) ** 0.5), 0, -1) if 0 <= len(table) - side * side <= 2), 0)
    if not side or width % 4:
        return False
    angles = np.arange(side)[:, None] * 10000.0 ** (-np.arange(width // 4) / (width // 4))
    axis = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)  # [side, D / 2]
    down, right = np.repeat(axis, side, axis=0), np.tile(axis, (side, 1))
    patches = table[len(table) - side * side :]
    return any(
        bool(np.abs(patches - np.concatenate(order, axis=1)).max() < _CLOSE) for order in ((right, down), (down, right))
    )
