"""Leases: who uses something that must not be freed meanwhile."""

from types import TracebackType


class Lease:
    """Counts its holders (`with lease:`). On the event loop only."""

    __slots__ = ("holders",)

    def __init__(self) -> None:
        self.holders = 0

    def __enter__(self) -> None:
        self.holders += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.holders -= 1
