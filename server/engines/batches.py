"""The batch sizes that engines with one set of buffers or kernels for each size run."""

from itertools import takewhile


def buckets(max_batch: int) -> tuple[int, ...]:
    """Return the batch sizes that are run, in rising order: powers of two below `max_batch`, and `max_batch`.

    Smaller batches are padded to the next bucket. Raises ValueError for less than one.
    """
    if max_batch < 1:
        raise ValueError(f"max_batch is {max_batch}; accepted: 1 and more")
    powers = (2**power for power in range(max_batch.bit_length()))
    return (*takewhile(lambda size: size < max_batch, powers), max_batch)
