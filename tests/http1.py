"""HTTP/1.1 by hand, over a plain socket: requests that no library would send, sent as slowly as one likes."""

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass
class Reply:
    """status: 0 if the connection ended without one. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Socket:
    """A connection to "http://host:port" that sends what it is given. receive: bytes of its receive buffer."""

    def __init__(self, url: str, timeout: float = 30, receive: int = 0) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._socket = socket.socket()
        if receive:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self._socket.settimeout(timeout)
        self._socket.connect((host, int(port)))
        self._read = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._read.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def end(self) -> None:
        """End the sending; what comes can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Send a request as a whole and return its reply. headers: with _ for -."""
        self.send(head(method, path, len(body), **headers) + body)
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        """Return the next reply."""
        try:
            first = self._read.readline().split()
            if not first:
                return Reply(0, {}, b"")
            headers = dict[str, str]()
            while (line := self._read.readline().strip()) != b"":
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            size = 0 if method == "HEAD" else int(headers.get("content-length", 0))
            return Reply(int(first[1]), headers, self._read.read(size))
        except ConnectionError:
            return Reply(0, {}, b"")

    def ended(self) -> bool:
        """Wait until the server has closed the connection."""
        try:
            return self._read.read(1) == b""
        except ConnectionError:
            return True


def head(method: str, path: str, length: int | None = None, **headers: str) -> bytes:
    """Return the header of a request. length: of its body; None for no Content-Length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if length is not None and (length or method == "POST"):
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds, for half a minute at most."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)
