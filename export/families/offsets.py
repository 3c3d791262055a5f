"""Relative position biases by the distance between two patches, for explain.npz."""

import torch


def pairs(rows: int, cols: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of a query and of a key patch for each distance in a grid, both int64 [2 R - 1, 2 C - 1].

    At [R - 1 + down, C - 1 + right] the key is `down` rows below and `right` columns right of the query.
    """
    down, right = torch.arange(1 - rows, rows)[:, None], torch.arange(1 - cols, cols)[None]
    query_row, query_col = (-down).clamp(min=0), (-right).clamp(min=0)
    return query_row * cols + query_col, (query_row + down) * cols + query_col + right


def by_distance(bias: torch.Tensor, rows: int, cols: int) -> torch.Tensor:
    """Return [heads, 2 R - 1, 2 C - 1] of what is added to the scores, [heads, T, T] or [1, heads, T, T].

    Prefix tokens come before the rows * cols patches; they have no distance.
    """
    bias = bias.reshape(bias.shape[-3:])
    prefix = bias.shape[-1] - rows * cols
    query, key = pairs(rows, cols)
    return bias[:, prefix + query, prefix + key]
