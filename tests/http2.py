"""HTTP/2 by hand: calls that are begun and not finished, and replies that are not read. No gRPC client does either."""

import socket
import struct
from types import TracebackType
from typing import Self

_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4
_INITIAL_WINDOW = 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(content: bytes, length: int | None = None) -> bytes:
    """Return a gRPC message that announces `length` bytes, those of its content by default."""
    return b"\0" + struct.pack(">I", len(content) if length is None else length) + content


class Connection:
    """A connection whose replies nobody reads. window: bytes of each reply that the server may send, at first."""

    def __init__(self, address: str, window: int = 65535) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._next = 1
        settings = struct.pack(">HI", _INITIAL_WINDOW, window)
        self._socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(_SETTINGS, 0, 0, settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def call(self, path: str, data: bytes, end: bool = True) -> None:
        """Begin a call and send `data`, at most 16 KiB; without `end` more could follow."""
        stream, self._next = self._next, self._next + 2
        headers = {
            ":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers",
            "content-type": "application/grpc",
        }  # fmt: skip
        pairs = ((name.encode(), value.encode()) for name, value in headers.items())
        block = b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in pairs)
        self._socket.sendall(
            frame(_HEADERS, _END_HEADERS, stream, block) + frame(_DATA, _END_STREAM if end else 0, stream, data)
        )
