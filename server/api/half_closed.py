"""Clients that have ended their sending: those that wait for an answer, and those that have left, look the same.

They are told apart by the first byte of the answer, which is sent before the answer is known: every one begins with an
H. The system of a client that reads takes it; that of one that left refuses it, and the connection is broken.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

FIRST = b"H"
SOON, AGAIN = 0.05, 0.5
"""Seconds after which to look whether that byte was refused, and then from one look to the next."""
_CLOSED = 7  # of the states of a connection, as Linux counts them


def is_broken(transport: asyncio.BaseTransport) -> bool:
    """Return whether the connection is broken, which no event tells where nothing is read any more."""
    with suppress(OSError), socket.fromfd(transport.get_extra_info("socket").fileno(), 0, 0) as connection:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSED
    return True


class Begun:
    """A transport of which the client has the first byte of an answer: the answer that is written goes without it.

    written: called with the transport itself when that has been done, to be used instead.
    """

    def __init__(self, transport: asyncio.Transport, written: Callable[[asyncio.Transport], None]) -> None:
        self._transport, self._written = transport, written
        self._left = len(FIRST)
        transport.write(FIRST)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write the answer, or what follows it."""
        left, self._left = self._left, 0
        self._written(self._transport)
        self._transport.write(data[left:])

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Write the answer in parts."""
        self.write(b"".join(parts))
