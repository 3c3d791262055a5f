"""A DNS server that answers as Docker's does: a name has the address of each current container."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Docker's TTL, in seconds. Envoy must not wait for it.
_TTL = 600
# RFC 1035: 4.1.1, an authoritative answer, recursion available; 4.1.4, the name of the question; 3.2, type A, class IN.
_HEADER, _FLAGS = struct.Struct("!6H"), 0x8580
_SAME_NAME, _QUERY_A = b"\xc0\x0c", b"\x00\x01\x00\x01"


class Names:
    """addresses: those of every name; assign to it to change them."""

    def __init__(self, listener: socket.socket) -> None:
        self.addresses: tuple[str, ...] = ()
        self.port: int = listener.getsockname()[1]
        self._listener = listener

    def answer(self) -> None:
        """Answer queries until an empty one."""
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
    """Run a DNS server."""
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
