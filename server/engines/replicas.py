"""One engine on every GPU."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import cycle

from vitscope.server.engines import cuda
from vitscope.server.engines.contract import Engine, Identity, Profile, Slot, Status, Usage, status_of


def gpu_profiles(threads: int) -> list[Profile]:
    """Return the profiles of an engine that runs on every GPU; the processor's threads do not matter."""
    gpus = len(cuda.devices())
    # A second run on each GPU, whose copies overlap the first one's computation.
    return [Profile(count, 1) for count in sorted({1, gpus, 2 * gpus})]


def on_every_gpu(open_on: Callable[[int], Engine], profiles: Sequence[Profile]) -> Engine:
    """Open an engine on each GPU that this process may use (CUDA_VISIBLE_DEVICES says which)."""
    engines = [open_on(gpu) for gpu in range(len(cuda.devices()))]
    return engines[0] if len(engines) == 1 else Replicas(engines, profiles)


class Replicas:
    """Equal engines, one for each device. Slots are dealt out in turn, so that each device gets as many runs.

    profiles: of all devices together.
    """

    def __init__(self, engines: Sequence[Engine], profiles: Sequence[Profile]) -> None:
        self._engines, self._turns = engines, cycle(engines)
        self.profiles = tuple(profiles)
        self.max_batch = engines[0].max_batch
        first = engines[0].identity
        self.identity = Identity(first.name, first.version, first.precision, f"{len(engines)} × {first.device}")

    def slot(self) -> Slot:
        return next(self._turns).slot()

    def status(self) -> Status:
        """Return the sums of all devices; broken where one of them is."""
        found = [status_of(engine) for engine in self._engines]
        usages = [status.usage for status in found if status.usage is not None]
        return Status(
            broken=next((status.broken for status in found if status.broken), None),
            usage=reduce(Usage.__add__, usages) if usages else None,
            fused_attention=found[0].fused_attention,
        )

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
