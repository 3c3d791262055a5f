"""A queue in which callers take turns, one item each, oldest first within a caller."""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)
T = TypeVar("T")


def turns_ahead(counts: Mapping[C, int], caller: C) -> int:
    """Return how many items go before one that `caller` adds now, if no others are added. `counts`: items by caller."""
    own = counts.get(caller, 0)
    if not own:
        return len(counts)
    return own + sum(min(count, own + 1) for other, count in counts.items() if other != caller)


class FairQueue(Generic[C, T]):
    """Round-robin between callers, first in first out within each (Nagle, RFC 970). Items are compared by identity.

    However much others add, a caller's next item waits for at most one item of each other caller. Not thread-safe.
    """

    def __init__(self) -> None:
        self._turns: OrderedDict[C, deque[T]] = OrderedDict()
        self.counts: dict[C, int] = {}
        """Number of items of each caller that has any."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        """Iterate over all items, caller by caller."""
        return (item for items in self._turns.values() for item in items)

    def push(self, caller: C, item: T) -> None:
        self._turns.setdefault(caller, deque()).append(item)
        self._count(caller, 1)

    def restore(self, caller: C, item: T) -> None:
        """Put back a popped item as the first of its caller's items."""
        self._turns.setdefault(caller, deque()).appendleft(item)
        self._count(caller, 1)

    def peek(self) -> T:
        """Return the item that `pop` would return. Raises LookupError when the queue is empty."""
        if not self._size:
            raise LookupError("the queue is empty")
        return next(iter(self._turns.values()))[0]

    def pop(self) -> T:
        """Remove and return the oldest item of the caller whose turn it is. Raises LookupError when there is none."""
        if not self._size:
            raise LookupError("the queue is empty")
        caller, items = self._turns.popitem(last=False)
        item = items.popleft()
        if items:
            self._turns[caller] = items
        self._count(caller, -1)
        return item

    def remove(self, caller: C, item: T) -> bool:
        """Remove one item. Return False when it is not in the queue."""
        items = self._turns.get(caller, ())
        for index, found in enumerate(items):
            if found is item:
                del self._turns[caller][index]
                if not self._turns[caller]:
                    del self._turns[caller]
                self._count(caller, -1)
                return True
        return False

    def clear(self) -> list[T]:
        """Empty the queue and return its items."""
        items = list(self)
        self._turns.clear()
        self.counts.clear()
        self._size = 0
        return items

    def _count(self, caller: C, change: int) -> None:
        self._size += change
        count = self.counts.get(caller, 0) + change
        if count:
            self.counts[caller] = count
        else:
            del self.counts[caller]
