"""The interface between the server and an engine: what an engine offers, and what it is called."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Literal, Protocol, cast, runtime_checkable

import numpy as np

Precision = Literal["f32", "f16", "bf16", "int8", "fp8"]
Outputs = Mapping[str, np.ndarray]


def label(engine: str, precision: str) -> str:
    """Return the name of an engine at a precision, as in logs, metrics and certificates: "openvino/bf16"."""
    return f"{engine}/{precision}"


@dataclass(frozen=True)
class Identity:
    """Which engine this is: name ("openvino"), its version, precision, and the device as the engine names it."""

    name: str
    version: str
    precision: Precision
    device: str

    def __str__(self) -> str:
        return label(self.name, self.precision)


@dataclass(frozen=True)
class Profile:
    """A division of an engine's threads: up to `streams` concurrent runs, with `threads` threads each."""

    streams: int
    threads: int


@dataclass(frozen=True)
class Usage:
    """Work done so far, as sums that only grow: the difference of two is the work done in between.

    rows: images asked for. padding: rows computed beside them to fill the bucket. graph_runs: runs that were one launch
    of a CUDA graph. upload, compute, download: seconds by the GPU's clock.
    """

    runs: int = 0
    rows: int = 0
    padding: int = 0
    graph_runs: int = 0
    upload: float = 0.0
    compute: float = 0.0
    download: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Status:
    """What an engine reports about itself; None where it has nothing to say.

    broken: why it cannot be used any more. usage: work done so far. fused_attention: number of layers whose attention
    is one kernel.
    """

    broken: str | None = None
    usage: Usage | None = None
    fused_attention: int | None = None


class Slot(Protocol):
    """Buffers for one batch and whatever the engine needs to run it. One thread uses a slot at a time.

    The buffer belongs to the engine, so that it can be pinned memory or memory shared with another process.
    """

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [max_batch, H, W, 3]: the caller writes images into the first rows."""

    def run(self, n: int, profile: int = 0) -> Outputs:
        """Run the first `n` rows in `engine.profiles[profile]`.

        Returns float32 arrays by output name, batch first, owned by the caller.
        """


class ClassSlot(Slot, Protocol):
    """A slot of a graph that explains classes; it has one more buffer, see `class_slot`."""

    @property
    def classes(self) -> np.ndarray:
        """int64 [max_batch, MOST_CLASSES] (engines/classes.py): the caller writes the classes into the first rows."""

    def run(self, n: int, profile: int = 0, columns: int = 1) -> Outputs:
        """Run the first `n` rows of pixels with the first `columns` of their classes, one of `classes.SIZES`.

        Outputs as of any slot; the class indices among them are int64.
        """


def class_slot(slot: Slot) -> ClassSlot | None:
    """Return the slot if its graph explains classes, else None."""
    return cast(ClassSlot, slot) if getattr(slot, "classes", None) is not None else None


class Engine(Protocol):
    """A compiled graph. Thread-safe except for its slots. It may also have `status()`, see `status_of`."""

    @property
    def identity(self) -> Identity: ...

    @property
    def max_batch(self) -> int:
        """Rows of a slot."""

    @property
    def profiles(self) -> Sequence[Profile]:
        """The profiles that a run can choose from.

        The first has the shortest run of a lone image (one stream of all threads), the last the highest throughput.
        There is only one where it is best at both.
        """

    def slot(self) -> Slot:
        """Return a new slot. Slots may run at the same time."""

    def close(self) -> None:
        """Free what the engine holds; no slot may be used afterwards."""


@runtime_checkable
class ReportsStatus(Protocol):
    """An engine that has something to report. Any thread may ask at any time, so `status` is cheap and never blocks."""

    def status(self) -> Status: ...


def status_of(engine: Engine) -> Status:
    """Return what an engine reports about itself: nothing, where it has no `status()`."""
    return engine.status() if isinstance(engine, ReportsStatus) else Status()
