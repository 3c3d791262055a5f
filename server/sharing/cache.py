"""Answers kept for repeats, bounded in bytes: the least recently used one goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from vitscope.server.engines.contract import Outputs

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

# Counted for each entry beside its own bytes: its key with a digest, and its places in the dictionary and in the order.
ENTRY_BYTES = 512


class AnswerCache(Generic[Key, Answer]):
    """Up to `max_bytes` of answers; 0 keeps none.

    pack: what is kept of an answer, which nobody may change afterwards, and its size in bytes. evicted: called once for each
    answer that goes to make room. Keys must not hold what they stand for alive, see `content.digest`. Used on the event loop
    only.
    """

    def __init__(
        self,
        max_bytes: int,
        pack: Callable[[Answer], tuple[Answer, int]],
        evicted: Callable[[], None] = lambda: None,
    ) -> None:
        self._max_bytes, self._pack, self._evicted = max_bytes, pack, evicted
        self._entries: OrderedDict[Key, tuple[Answer, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Answer | None:
        """The answer of `key`, which becomes the most recently used; None where there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: Key, answer: Answer) -> None:
        """Keep an answer in place of an older one of this key, unless it alone is larger than the bound."""
        if not self._max_bytes:
            return
        self._remove(key)
        kept, size = self._pack(answer)
        size += ENTRY_BYTES
        if size > self._max_bytes:
            return
        while self.bytes + size > self._max_bytes:
            self._remove(next(iter(self._entries)))
            self._evicted()
        self._entries[key] = kept, size
        self.bytes += size

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry[1]


def owned(outputs: Outputs) -> Outputs:
    """Read-only arrays with memory of their own; a row of a batch would hold the whole batch alive."""
    copies = {name: np.array(values) for name, values in outputs.items()}
    for values in copies.values():
        values.flags.writeable = False
    return copies


def nbytes(outputs: Outputs) -> int:
    """Bytes of all arrays."""
    return sum(values.nbytes for values in outputs.values())
