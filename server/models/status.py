"""State of a model version."""

from collections.abc import Callable
from enum import Enum


class State(Enum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Status:
    """State of a model version and the reason for it, in words. `on_change` is called after each change.

    Each text is there twice, for the operator and for callers, who are told no paths of the server and nothing that an
    engine says. reason: empty for a version that is ready and served by the best engine. outdated: why the bundle that
    the folder holds now could not be loaded in the place of the one that serves; empty if the folder holds that one.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.state, self.reason, self.outdated = State.LOADING, "waiting to be loaded", ""
        self._public_reason, self._public_outdated = self.reason, ""
        self._on_change = on_change

    @property
    def degraded(self) -> bool:
        """True while a better engine is being built, and after that has failed."""
        return self.state is State.READY and bool(self.reason)

    @property
    def detail(self) -> str:
        """All that is to be said about the state; empty for a version that is ready and as it should be."""
        return _joined(self.reason, self.outdated)

    @property
    def public(self) -> str:
        """The same for callers."""
        return _joined(self._public_reason, self._public_outdated)

    def set(self, state: State, reason: str = "", public: str | None = None) -> None:
        """Change the state. public: the reason for callers, if they are told less."""
        self.state, self.reason = state, reason
        self._public_reason = reason if public is None else public
        self._on_change()

    def set_outdated(self, reason: str, public: str | None = None) -> None:
        self.outdated, self._public_outdated = reason, reason if public is None else public
        self._on_change()


def _joined(reason: str, outdated: str) -> str:
    outdated = outdated and f"the bundle that is in its place now could not be loaded: {outdated}"
    return "; ".join(filter(None, (reason, outdated)))
