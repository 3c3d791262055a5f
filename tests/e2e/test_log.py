"""Bytes of callers on every port make no error lines and no tracebacks, and every line of the log is JSON."""

import socket
import time
from pathlib import Path

import pytest

from tests.e2e.harness import RunningServer
from tests.server.models.bundles import write_bundle

HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(200)
SENT = {
    "a TLS hello": HELLO,
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(20),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100) + b"\r\n\r\n",
    "a length below zero": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "a line without end": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nA: " + b"y" * 20_000 + b"\r\n\r\n",
    "a chunk of no size": b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "zeros": bytes(500),
}


def send(address: str, data: bytes) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        connection.sendall(data)
        connection.settimeout(0.3)
        with pytest.raises((TimeoutError, ConnectionError, AssertionError)):
            while connection.recv(2**16):
                pass
            raise AssertionError("it was closed")


def test_what_callers_send_to_either_port_is_no_error_of_the_operators(tmp_path: Path) -> None:
    write_bundle(tmp_path / "models", "a", 1, tmp_path)
    with RunningServer(tmp_path / "models", "--engine", "onnxruntime", "--threads", "1") as server:
        for data in SENT.values():
            send(server.http, data)
            send(server.address, data)
        time.sleep(0.2)
        assert server.get("/healthz/live") == "ok\n"
    assert server.of_level("raw") == [], "a line that is not JSON"
    assert not any("Traceback" in str(event) for event in server.events)
