"""Which batch sizes a plan runs, and how TensorRT's optimisation profiles are laid over them."""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

# A profile holds one set of kernels, chosen for its `opt`. A lone image and a handful have little in common with a full batch;
# every further profile costs the time of a build again, and 3 % of a ViT-B's plan (measured with TensorRT-RTX).
_LONE, _FEW = 1, 8


class Range(NamedTuple):
    """Batch sizes of one optimisation profile: from `min` to `max`, fastest at `opt`."""

    min: int
    opt: int
    max: int


def buckets(max_batch: int) -> tuple[int, ...]:
    """The batch sizes that are run, in rising order: powers of two below `max_batch`, and `max_batch`. Smaller batches are
    filled up to the next one. Raises ValueError for less than one."""
    if max_batch < 1:
        raise ValueError(f"max_batch is {max_batch}; accepted: 1 and more")
    powers = (2**power for power in range(max_batch.bit_length()))
    return (*takewhile(lambda size: size < max_batch, powers), max_batch)


def ranges(buckets: Sequence[int]) -> tuple[Range, ...]:
    """The optimisation profiles for these buckets, in their order in the plan: one image, up to eight, more than eight.

    They join without a gap and end with the largest bucket; each is fastest at its largest.
    """
    largest = max(buckets)
    starts = [start for start in (1, _LONE + 1, _FEW + 1) if start <= largest]
    ends = [*(start - 1 for start in starts[1:]), largest]
    return tuple(Range(start, end, end) for start, end in zip(starts, ends, strict=True))
