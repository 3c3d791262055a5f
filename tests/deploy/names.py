"""A DNS server that answers as the one of Docker: a name has an address for each container that is there now."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Seconds. Docker's own; who believed it would look again in ten minutes.
_TTL = 600
# RFC 1035: 4.1.1, an answer by the authority, recursion available; 4.1.4, the name in the question; 3.2, type A, class IN.
_HEADER, _FLAGS = struct.Struct("!6H"), 0x8580
_SAME_NAME, _QUERY_A = b"\xc0\x0c", b"\x00\x01\x00\x01"


class Names:
    """`addresses` are those of every name. Assign to it to change them."""

    def __init__(self, listener: socket.socket) -> None:
        self.addresses: tuple[str, ...] = ()
        self.port: int = listener.getsockname()[1]
        self._listener = listener

    def answer(self) -> None:
        """Answer queries until one that is empty."""
        while True:
            query, sender = self._listener.recvfrom(4096)
            if not query:
                return
            end = query.index(b"\0", _HEADER.size) + 5
            found = self.addresses if query[end - 4 : end] == _QUERY_A else ()
            head = _HEADER.pack(int.from_bytes(query[:2]), _FLAGS, 1, len(found), 0, 0)
            records = (
                _SAME_NAME + _QUERY_A + struct.pack("!IH", _TTL, 4) + socket.inet_aton(address) for address in found
            )
            self._listener.sendto(head + query[_HEADER.size : end] + b"".join(records), sender)


@contextmanager
def names() -> Iterator[Names]:
    """A running one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        found = Names(listener)
        thread = threading.Thread(target=found.answer)
        thread.start()
        try:
            yield found
        finally:
            listener.sendto(b"", listener.getsockname())
            thread.join()
