"""An engine whose runs the test releases one by one, so that it can produce any schedule."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from vitscope.server.engines.contract import Identity, Outputs, Profile
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.cost import CostModel
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.scheduling.timeline import Timeline
from vitscope.server.scheduling.work import Work

SIZE = 4
ANYBODY = Caller("anybody", bulk=False)


class GatedEngine:
    """Runs block until `release` is called. Each output row is the first pixel of its image, which identifies it."""

    identity = Identity("fake", "1", "f32", "test")

    def __init__(self, max_batch: int = 4, gated: bool = True, streams: int = 1) -> None:
        self.max_batch = max_batch
        self.profiles = [Profile(1, streams), Profile(streams, 1)] if streams > 1 else [Profile(1, 1)]
        self.batches: list[list[int]] = []
        self.used: list[int] = []
        self.fail_next: Exception | None = None
        self._gate = threading.Semaphore(0 if gated else 10**9)
        self.started = threading.Semaphore(0)

    def slot(self) -> "GatedSlot":
        return GatedSlot(self)

    def close(self) -> None: ...

    def release(self, runs: int = 1) -> None:
        self._gate.release(runs)

    def run(self, pixels: np.ndarray, profile: int) -> Outputs:
        self.batches.append([int(p) for p in pixels[:, 0, 0, 0]])
        self.used.append(profile)
        self.started.release()
        assert self._gate.acquire(timeout=10), "the test never released this run"
        if self.fail_next:
            error, self.fail_next = self.fail_next, None
            raise error
        return {"logits": pixels[:, 0, 0, :1].astype(np.float32)}


class GatedSlot:
    def __init__(self, engine: GatedEngine) -> None:
        self.pixels = np.zeros((engine.max_batch, SIZE, SIZE, 3), np.uint8)
        self._engine = engine

    def run(self, n: int, profile: int = 0) -> Outputs:
        return self._engine.run(self.pixels[:n].copy(), profile)


def lane(engine: GatedEngine, name: str = "model", seconds_per_image: float = 0.01, growth: float = 0.5) -> Lane:
    """Return a lane with T(n) = seconds_per_image * n ** growth in every profile."""
    costs = {n: seconds_per_image * n**growth for n in range(1, engine.max_batch + 1)}
    slots = [engine.slot() for _ in range(max(profile.streams for profile in engine.profiles) + 1)]
    return Lane(name, 1, "classify", engine, [CostModel(costs) for _ in engine.profiles], slots)


class ToldWork(Work):
    """Work that passes its result to one of two functions."""

    def __init__(
        self,
        caller: Caller,
        deadline: float,
        done: Callable[[Outputs], None],
        failed: Callable[[Exception], None],
    ) -> None:
        super().__init__(caller, deadline, Timeline())
        self._done, self._failed = done, failed

    def done(self, outputs: Outputs) -> None:
        self._done(outputs)

    def failed(self, error: Exception) -> None:
        self._failed(error)


class Answers:
    """Collects the result of each image by its number."""

    def __init__(self) -> None:
        self.done: dict[int, float] = {}
        self.failed: dict[int, Exception] = {}
        self._changed = threading.Condition()

    def work(self, number: int, deadline: float = float("inf"), caller: Caller = ANYBODY) -> Work:
        def settle(table: dict[int, float] | dict[int, Exception], value: object) -> None:
            with self._changed:
                assert number not in self.done, f"image {number} was answered twice"
                assert number not in self.failed, f"image {number} was answered twice"
                table[number] = value  # type: ignore[assignment]
                self._changed.notify_all()

        return ToldWork(
            caller,
            deadline,
            lambda outputs: settle(self.done, float(outputs["logits"][0])),
            lambda error: settle(self.failed, error),
        )

    def wait(self, condition: Callable[["Answers"], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout=10), (self.done, self.failed)


def pixels(number: int) -> np.ndarray:
    """Return the image of a number: every value is the number."""
    return np.full((SIZE, SIZE, 3), number, np.uint8)


def submit(scheduler: Scheduler, lane: Lane, answers: Answers, number: int, **options: Any) -> Work:
    """Submit image `number` as a decode thread does."""
    work = answers.work(number, **options)
    scheduler.expect(lane, work)
    scheduler.submit(lane, work, pixels(number))
    return work
