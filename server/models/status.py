"""State of a model version."""

from collections.abc import Callable
from enum import Enum


class State(Enum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Status:
    """State of a model version and the reason for it, in words. `on_change` is called after each change.

    reason: empty for a version that is ready and served by the best engine. outdated: why the bundle that the folder
    holds now could not be loaded in the place of the one that serves; empty if the folder holds the one that serves.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.state, self.reason, self.outdated = State.LOADING, "waiting to be loaded", ""
        self._on_change = on_change

    @property
    def degraded(self) -> bool:
        """True while a better engine is being built, and after that has failed."""
        return self.state is State.READY and bool(self.reason)

    @property
    def detail(self) -> str:
        """All that is to be said about the state; empty for a version that is ready and as it should be."""
        outdated = self.outdated and f"the bundle that is in its place now could not be loaded: {self.outdated}"
        return "; ".join(filter(None, (self.reason, outdated)))

    def set(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._on_change()

    def set_outdated(self, reason: str) -> None:
        self.outdated = reason
        self._on_change()
