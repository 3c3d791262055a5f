"""Running an engine before anybody waits for it: first runs are slow, and T(batch) has to be known."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from bundle import BundleError, Graph, Manifest
from server.engines.contract import Engine, Slot

# The shortest counts: what else the machine did meanwhile is noise here, and the cost model follows load by itself.
_REPEATS = 3
# A size whose run takes longer is the last that is measured: nobody waits for a batch of several seconds.
_LONGEST = 1.0


class LoadAbandoned(Exception):
    """Loading was given up because the server stops."""


def open_slots(engine: Engine, count: int) -> Sequence[Slot]:
    """`count` slots filled with grey noise, so that warm-up computes on numbers like those of photos."""
    noise = np.random.default_rng(0)
    slots = [engine.slot() for _ in range(count)]
    for slot in slots:
        slot.pixels[:] = noise.integers(64, 192, slot.pixels.shape, np.uint8)
    return slots


def check_contract(slot: Slot, graph: Graph, manifest: Manifest) -> None:
    """Compare what the compiled graph takes and gives with what the manifest promises. Raises BundleError."""
    expected = (manifest.input.height, manifest.input.width, 3)
    if slot.pixels.shape[1:] != expected:
        raise BundleError(f"{graph.file}: takes images of {slot.pixels.shape[1:]}, the manifest says {expected}")
    outputs = slot.run(1)
    for output in graph.outputs:
        found = outputs[output.name].shape if output.name in outputs else None
        if found is not None and not np.isfinite(outputs[output.name]).all():
            raise BundleError(f"{graph.file}: output {output.name} is not finite on a grey image")
        if found != (1, *output.shape[1:]):
            raise BundleError(
                f"{graph.file}: output {output.name} is {found} for one image, the manifest says {output.shape}"
            )


def measure(engine: Engine, slots: Sequence[Slot], stopping: Callable[[], bool] = lambda: False) -> dict[int, float]:
    """Shortest seconds of a run at 1, 2, 4, … up to the engine's largest batch.

    Every size up to the largest one measured is run at least once, because engines prepare kernels for each new shape.
    Raises LoadAbandoned between two runs when `stopping` says so.
    """
    first = slots[0]
    seconds: dict[int, float] = {}
    for size in _sizes(engine.max_batch):
        for between in range(max(seconds, default=0) + 1, size + 1):
            if stopping():
                raise LoadAbandoned("the server is shutting down")
            first.run(between)
        seconds[size] = min(_timed(first, size) for _ in range(_REPEATS))
        if seconds[size] > _LONGEST:
            break
    for slot in slots[1:]:
        slot.run(1)
    return seconds


def _sizes(largest: int) -> list[int]:
    powers = [2**k for k in range(largest.bit_length()) if 2**k <= largest]
    return powers if powers[-1] == largest else [*powers, largest]


def _timed(slot: Slot, size: int) -> float:
    began = time.perf_counter()
    slot.run(size)
    return time.perf_counter() - began
