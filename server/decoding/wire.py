"""Messages of several parts over a stream socket."""

import socket
import struct
from collections.abc import Callable, Sequence

MAX_PARTS = 4
_COUNT, _SIZE = struct.Struct("!B"), struct.Struct("!Q")
# Seconds between two looks at a deadline that may be extended or passed.
_LOOK = 0.25

Left = Callable[[], float]
"""Returns the seconds that are left, or raises."""


def forever() -> float:
    """Return a time that never runs out."""
    return _LOOK


def send(to: socket.socket, parts: Sequence[bytes], left: Left = forever) -> None:
    """Send one message. Raises OSError if the other side is gone, and what `left` raises."""
    head = _COUNT.pack(len(parts)) + b"".join(_SIZE.pack(len(part)) for part in parts)
    for part in (head, *parts):
        rest = memoryview(part)
        while rest:
            to.settimeout(min(left(), _LOOK))
            try:
                rest = rest[to.send(rest) :]
            except TimeoutError:
                continue


def receive(source: socket.socket, max_bytes: int, left: Left = forever) -> list[bytes]:
    """Receive one message of at most `max_bytes` in all.

    Raises EOFError if the other side is gone before its end, ValueError for a longer one, and what `left` raises.
    """
    (count,) = _COUNT.unpack(_exactly(source, _COUNT.size, left))
    if count > MAX_PARTS:
        raise ValueError(f"a message of {count} parts")
    sizes = [size for (size,) in _SIZE.iter_unpack(_exactly(source, _SIZE.size * count, left))]
    if sum(sizes) > max_bytes:
        raise ValueError(f"a message of {sum(sizes):,} bytes")
    return [bytes(_exactly(source, size, left)) for size in sizes]


def _exactly(source: socket.socket, size: int, left: Left) -> bytes | bytearray:
    buffer = bytearray(size)
    rest = memoryview(buffer)
    while rest:
        source.settimeout(min(left(), _LOOK))
        try:
            got = source.recv_into(rest)
        except TimeoutError:
            continue
        except ConnectionError as error:
            raise EOFError("the other side is gone") from error
        if not got:
            raise EOFError("the other side is gone")
        rest = rest[got:]
    return buffer
