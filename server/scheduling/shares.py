"""A queue in which callers get equal shares of time, whatever each of their items takes."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)
T = TypeVar("T")

# So many callers are remembered before those are forgotten that wait for nothing and had no more than their share.
_REMEMBERED = 64


class FairShares(Generic[C, T]):
    """Self-clocked fair queueing (Golestani 1994) between callers, first in first out within each.

    Each caller has a clock that advances by the seconds of its items; the item at whose end its caller's clock is
    behind all others goes next. A caller that comes, or comes back, starts at the end of the item that was served last:
    idleness earns nothing, and callers that keep coming do not overtake one that waits. One that has used more than its
    share stays behind. Items are compared by identity. Not thread-safe.
    """

    def __init__(self) -> None:
        self._items: dict[C, deque[tuple[T, float]]] = {}
        self._seconds: dict[C, float] = {}
        self._clocks: dict[C, float] = {}
        self._ends: dict[C, float] = {}  # the clock of each caller that waits, after its next item
        self._now = 0.0  # the clock at the end of the item that was served last
        self._forget_at = _REMEMBERED
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, caller: C, item: T, seconds: float) -> None:
        """Add an item that will take about so many seconds, more than 0."""
        items = self._items.get(caller)
        if items is None:
            self._clocks[caller] = max(self._clocks.get(caller, 0.0), self._now)
            items = self._items[caller] = deque()
            self._seconds[caller] = 0.0
            self._ends[caller] = self._clocks[caller] + seconds
        items.append((item, seconds))
        self._seconds[caller] += seconds
        self._size += 1

    def pop(self, may: Callable[[C], bool] | None = None) -> tuple[C, T, float] | None:
        """Remove and return the next caller, item and its seconds, of callers that `may`; None if there is none."""
        callers = self._ends if may is None else filter(may, self._ends)
        caller = min(callers, key=self._ends.__getitem__, default=None)
        if caller is None:
            return None
        end = self._clocks[caller] = self._ends[caller]
        self._now = max(self._now, end)
        item, seconds = self._items[caller].popleft()
        self._taken(caller, seconds)
        return caller, item, seconds

    def charge(self, caller: C, seconds: float) -> None:
        """Correct the clock of a caller whose item took so many seconds more than was thought, or less."""
        self._clocks[caller] = self._clocks.get(caller, self._now) + seconds
        if caller in self._ends:
            self._ends[caller] += seconds

    def remove(self, caller: C, item: T) -> bool:
        """Remove one item. Return False when it is not in the queue."""
        for index, (found, seconds) in enumerate(self._items.get(caller, ())):
            if found is item:
                del self._items[caller][index]
                self._taken(caller, seconds)
                return True
        return False

    def waiting(self, may: Callable[[C], bool] | None = None) -> int:
        """Return the number of items of callers that `may`."""
        if may is None:
            return self._size
        return sum(len(items) for caller, items in self._items.items() if may(caller))

    def seconds_ahead(self, caller: C, may: Callable[[C], bool] | None = None) -> float:
        """Return the seconds of the items that go before one that `caller` adds now, if no others are added.

        Those of other callers count only where the caller `may` be served.
        """
        own = self._seconds.get(caller, 0.0)
        begins = max(self._clocks.get(caller, 0.0), self._now) + own
        ahead = own
        for other, seconds in self._seconds.items():
            if other != caller and (may is None or may(other)):
                first = self._ends[other] - self._clocks[other]
                ahead += min(seconds, max(0.0, begins - self._clocks[other]) + first)
        return ahead

    def clear(self) -> None:
        """Remove all items."""
        self._items.clear()
        self._seconds.clear()
        self._ends.clear()
        self._size = 0

    def forget(self) -> None:
        """Forget who has had how much. For a time when nobody waits or is served."""
        self._clocks.clear()
        self._now = 0.0

    def _taken(self, caller: C, seconds: float) -> None:
        self._size -= 1
        self._seconds[caller] -= seconds
        items = self._items[caller]
        if items:
            self._ends[caller] = self._clocks[caller] + items[0][1]
        else:
            del self._items[caller], self._seconds[caller], self._ends[caller]
            if len(self._clocks) > self._forget_at:
                self._clocks = {
                    one: clock for one, clock in self._clocks.items() if one in self._items or clock > self._now
                }
                self._forget_at = max(_REMEMBERED, 2 * len(self._clocks))
