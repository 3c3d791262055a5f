"""Who asks: what fairness is fair between."""

import asyncio
from weakref import WeakValueDictionary


class Caller:
    """One connection's single requests, or one connection's streams (`bulk`).

    held, held_bytes: requests in the house and the bytes of their messages. door, line: requests that wait for a place, and those
    of them that have one and wait for a shorter queue; each one at a time and in order. Two, because places become free only when
    who has one gets on. Used on the event loop, but for its identity, which the queues go by.
    """

    def __init__(self, peer: str, bulk: bool) -> None:
        self.peer, self.bulk = peer, bulk
        self.held = self.held_bytes = 0
        self.door, self.line = asyncio.Lock(), asyncio.Lock()

    def __repr__(self) -> str:
        return f"Caller({self.peer!r}, bulk={self.bulk})"


class Callers:
    """Callers by peer, each of them for as long as a request of theirs is under way."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[str, bool], Caller] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, peer: str, bulk: bool) -> Caller:
        """The caller behind `peer` (as gRPC names a connection, such as "ipv4:10.0.0.7:51234")."""
        caller = self._known.get((peer, bulk))
        if caller is None:
            caller = self._known[peer, bulk] = Caller(peer, bulk)
        return caller
