"""How a plan's batch sizes are divided into TensorRT's optimisation profiles."""

from collections.abc import Sequence
from typing import NamedTuple

# A profile holds one set of kernels, chosen for its `opt`. A lone image and a handful have little in common with a full
# batch; every further profile costs the time of a build again, and 3 % of a ViT-B's plan (measured with TensorRT-RTX).
_LONE, _FEW = 1, 8


class Range(NamedTuple):
    """Batch sizes of one optimisation profile: from `min` to `max`, fastest at `opt`."""

    min: int
    opt: int
    max: int


def ranges(buckets: Sequence[int]) -> tuple[Range, ...]:
    """Return the optimisation profiles for these buckets, in plan order: one image, up to eight, more than eight.

    They join without a gap and end with the largest bucket; each is fastest at its largest size.
    """
    largest = max(buckets)
    starts = [start for start in (1, _LONE + 1, _FEW + 1) if start <= largest]
    ends = [*(start - 1 for start in starts[1:]), largest]
    return tuple(Range(start, end, end) for start, end in zip(starts, ends, strict=True))
