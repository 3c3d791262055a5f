"""What the rest of the server knows of an engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

Precision = Literal["f32", "bf16"]
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


class Slot(Protocol):
    """Room for one batch and whatever the engine needs to run it. One thread uses a slot at a time.

    The buffer belongs to the engine, so that it can be pinned memory or memory shared with another process.
    """

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [max_batch, H, W, 3]: the caller writes images into the first rows."""

    def run(self, n: int) -> Outputs:
        """Run the first `n` rows. Returns float32 arrays by output name, batch first, owned by the caller."""


class Engine(Protocol):
    """A compiled graph. Thread-safe but for its slots."""

    @property
    def identity(self) -> Identity: ...

    @property
    def max_batch(self) -> int:
        """Rows of a slot."""

    def slot(self) -> Slot:
        """A new slot. Slots may run at the same time."""

    def close(self) -> None:
        """Free what the engine holds; no slot may be used afterwards."""
