"""A cache of answers that is bounded in bytes and evicts the least recently used one first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from vitscope.server.engines.contract import Outputs

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Counted for each entry besides its own bytes: its key with a digest, and its share of the ordered dictionary.
ENTRY_BYTES = 512


class AnswerCache(Generic[K, V]):
    """Keeps up to `max_bytes` of answers; 0 keeps none.

    pack: turns an answer into what is kept of it, which must not be changed afterwards, and its size in bytes. evicted:
    called once for each answer that is evicted. Keys must not keep the image that they stand for in memory, see
    `content.digest`. Used on the event loop only.
    """

    def __init__(
        self,
        max_bytes: int,
        pack: Callable[[V], tuple[V, int]],
        evicted: Callable[[], None] = lambda: None,
    ) -> None:
        self._max_bytes, self._pack, self._evicted = max_bytes, pack, evicted
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the answer of `key`, which becomes the most recently used; None if there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, answer: V) -> None:
        """Keep an answer, replacing an older one of this key. One that alone is larger than the bound is not kept."""
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

    def _remove(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry[1]


def owned(outputs: Outputs) -> Outputs:
    """Return read-only copies of all arrays. A view of a row would keep the whole batch in memory."""
    copies = {name: np.array(values) for name, values in outputs.items()}
    for values in copies.values():
        values.flags.writeable = False
    return copies


def nbytes(outputs: Outputs) -> int:
    """Return the bytes of all arrays."""
    return sum(values.nbytes for values in outputs.values())
