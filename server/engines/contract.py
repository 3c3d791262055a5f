"""What the rest of the server knows of an engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Precision = Literal["f32", "f16", "bf16", "int8", "fp8"]
Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Identity:
    """Which engine this is: name ("openvino"), its version, precision, and the device as the engine names it."""

    name: str
    version: str
    precision: Precision
    device: str

    def __str__(self) -> str:
        return f"{self.name}/{self.precision}"


@dataclass(frozen=True)
class Profile:
    """How an engine divides its threads: up to `streams` runs at a time, with `threads` each."""

    streams: int
    threads: int


class Slot(Protocol):
    """Room for one batch and whatever the engine needs to run it. One thread uses a slot at a time.

    The buffer belongs to the engine, so that it can be pinned memory or memory shared with another process.
    """

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [max_batch, H, W, 3]: the caller writes images into the first rows."""

    def run(self, n: int, profile: int = 0) -> Outputs:
        """Run the first `n` rows in `engine.profiles[profile]`. Returns float32 arrays by output name, batch first, owned by
        the caller."""


class Engine(Protocol):
    """A compiled graph. Thread-safe but for its slots."""

    @property
    def identity(self) -> Identity: ...

    @property
    def max_batch(self) -> int:
        """Rows of a slot."""

    @property
    def profiles(self) -> Sequence[Profile]:
        """What a run can choose from: first the one with the shortest run of a lone image (one stream of all threads), last the
        one with the highest throughput. One alone where that is best at both."""

    def slot(self) -> Slot:
        """A new slot. Slots may run at the same time."""

    def close(self) -> None:
        """Free what the engine holds; no slot may be used afterwards."""
