"""Running an engine before it serves: its outputs are compared with the manifest, and its first runs are slow."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from vitscope.bundle import BundleError, Graph, Manifest
from vitscope.server.engines.contract import Engine, Slot


def open_slots(engine: Engine, count: int) -> list[Slot]:
    """Return `count` slots filled with grey noise, so that warm-up computes on numbers like those of photos."""
    noise = np.random.default_rng(0)
    slots = [engine.slot() for _ in range(count)]
    for slot in slots:
        slot.pixels[:] = noise.integers(64, 192, slot.pixels.shape, np.uint8)
    return slots


def warm_up(engine: Engine, slots: Sequence[Slot]) -> None:
    """Run one image through each stream of each profile, all streams of a profile at the same time.

    The first run prepares the weights for the processor. A first run of another batch size costs little more than any
    other.
    """
    for index, profile in enumerate(engine.profiles):
        with ThreadPoolExecutor(profile.streams) as threads:
            for run in [threads.submit(slots[stream].run, 1, index) for stream in range(profile.streams)]:
                run.result()


def check_contract(slot: Slot, graph: Graph, manifest: Manifest) -> None:
    """Compare input and outputs of the compiled graph with the manifest. Raises BundleError."""
    expected = (manifest.input.height, manifest.input.width, 3)
    if slot.pixels.shape[1:] != expected:
        raise BundleError(f"{graph.file}: takes images of {slot.pixels.shape[1:]}, the manifest says {expected}")
    outputs = slot.run(1)
    for output in graph.outputs:
        found = outputs[output.name].shape if output.name in outputs else None
        if found is not None and not np.isfinite(outputs[output.name]).all():
            raise BundleError(f"{graph.file}: output {output.name} is not finite on a grey image")
        # One class is explained, the K of a shape.
        if found != (1, *(1 if length == "K" else length for length in output.shape[1:])):
            raise BundleError(
                f"{graph.file}: output {output.name} is {found} for one image, the manifest says {output.shape}"
            )
