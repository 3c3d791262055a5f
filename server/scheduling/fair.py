"""Taking turns: one item of each caller, oldest first within a caller."""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)
T = TypeVar("T")


def turns_ahead(counts: Mapping[C, int], caller: C) -> int:
    """Items that go before one that `caller` adds now, given how many each caller has, if nobody else adds any."""
    own = counts.get(caller, 0)
    if not own:
        return len(counts)
    return own + sum(min(count, own + 1) for other, count in counts.items() if other != caller)


class FairQueue(Generic[C, T]):
    """Round-robin between callers, first in first out within each (Nagle, RFC 970). Items are told apart by identity.

    However much one caller adds, another one's next item waits for one item of each caller at most. Not thread-safe.
    """

    def __init__(self) -> None:
        self._turns: OrderedDict[C, deque[T]] = OrderedDict()
        self.counts: dict[C, int] = {}
        """Items of each caller that has any."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        """Every item, caller by caller."""
        return (item for items in self._turns.values() for item in items)

    def push(self, caller: C, item: T) -> None:
        self._turns.setdefault(caller, deque()).append(item)
        self._count(caller, 1)

    def restore(self, caller: C, item: T) -> None:
        """Put back what was popped: it is the first of its caller's items again."""
        self._turns.setdefault(caller, deque()).appendleft(item)
        self._count(caller, 1)

    def peek(self) -> T:
        """What `pop` would return. Raises LookupError when the queue is empty."""
        if not self._size:
            raise LookupError("the queue is empty")
        return next(iter(self._turns.values()))[0]

    def pop(self) -> T:
        """The oldest item of the caller whose turn it is. Raises LookupError when the queue is empty."""
        if not self._size:
            raise LookupError("the queue is empty")
        caller, items = self._turns.popitem(last=False)
        item = items.popleft()
        if items:
            self._turns[caller] = items
        self._count(caller, -1)
        return item

    def remove(self, caller: C, item: T) -> bool:
        """Take out one item; False when it is not here."""
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
        """Empty the queue and return what was in it."""
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
