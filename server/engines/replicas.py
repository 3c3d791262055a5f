"""One engine on several devices."""

from collections.abc import Sequence
from functools import reduce
from itertools import cycle
from operator import add
from typing import Any

from vitscope.server.engines.contract import Engine, Identity, Profile, Slot


class Replicas:
    """Engines that are alike, on a device each: slots are dealt out in turn, so that as many runs are on each of them.

    profiles: as asked for, over all devices together.
    """

    def __init__(self, engines: Sequence[Engine], profiles: Sequence[Profile]) -> None:
        self._engines, self._turns = engines, cycle(engines)
        self.profiles = tuple(profiles)
        self.max_batch = engines[0].max_batch
        first = engines[0].identity
        self.identity = Identity(first.name, first.version, first.precision, f"{len(engines)} × {first.device}")

    def slot(self) -> Slot:
        return next(self._turns).slot()

    @property
    def usage(self) -> Any:
        """Of all together; AttributeError where the engines do not count."""
        return reduce(add, [engine.usage for engine in self._engines])  # type: ignore[attr-defined]

    @property
    def broken(self) -> str | None:
        """Why one of them cannot be used any more, or None."""
        return next(filter(None, (getattr(engine, "broken", None) for engine in self._engines)), None)

    @property
    def fused_attention(self) -> int | None:
        return getattr(self._engines[0], "fused_attention", None)

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
