"""Who sends requests: the unit between which the server is fair."""

import asyncio
from weakref import WeakValueDictionary


class Caller:
    """The single requests of one connection, or its streams of requests (`bulk`).

    held, held_bytes: number of requests in flight and the bytes of their messages. place_lock, queue_lock: let the
    requests that wait for a place, and those that have one and wait for a shorter queue, through one at a time and in
    order. There are two locks because with one, requests that hold a place would wait behind requests that wait for
    one, and neither would move.

    Used on the event loop, except for its identity, which is the key of the queues.
    """

    def __init__(self, peer: str, bulk: bool) -> None:
        self.peer, self.bulk = peer, bulk
        self.held = self.held_bytes = 0
        self.place_lock, self.queue_lock = asyncio.Lock(), asyncio.Lock()

    def __repr__(self) -> str:
        return f"Caller({self.peer!r}, bulk={self.bulk})"


class Callers:
    """Callers by peer. Each is kept for as long as a request of it is in flight."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[str, bool], Caller] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, peer: str, bulk: bool) -> Caller:
        """Return the caller of `peer`, the name that gRPC gives to a connection, such as "ipv4:10.0.0.7:51234"."""
        caller = self._known.get((peer, bulk))
        if caller is None:
            caller = self._known[peer, bulk] = Caller(peer, bulk)
        return caller
