"""Proxies of the environment: who is asked, and what an error says. The proxy is a real socket that refuses."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.client.servicer import Servicer, serving_in_thread
from vitscope import AsyncClient, Client, ClientError
from vitscope.client.proxy import goes_direct, proxy_route

PIXEL = np.zeros((1, 1, 3), np.uint8)
NAMES = ("grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy")


@dataclass
class Proxy:
    address: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that answers 403, and is in no variable yet."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(f"127.0.0.1:{listener.getsockname()[1]}")

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    proxy.asked.append(connection.recv(1024).decode().partition("\r\n")[0])
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("form", ["{}", "ipv4:{}", "dns:///{}", "{0},{0}"])
def test_this_machine_is_never_asked_through_a_proxy(
    form: str, server: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{proxy.address}")
    with Client(form.format(server)) as client:
        assert client.classify(PIXEL)
    assert proxy.asked == []


def test_nor_is_a_unix_socket(tmp_path: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("grpc_proxy", f"http://{proxy.address}")
    with serving_in_thread(Servicer(), address=f"unix:{tmp_path}/s") as _, Client(f"unix:{tmp_path}/s") as client:
        assert client.classify(PIXEL)
    assert proxy.asked == []


def test_an_error_through_a_proxy_names_its_variable(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@{proxy.address}")
    found = rf"403 \(through the proxy of http_proxy=http://{proxy.address}; no_proxy=models\.internal avoids it\)$"
    with Client("models.internal:8500", timeout=10) as client:
        with pytest.raises(ClientError, match=found):
            client.classify(PIXEL)
        with pytest.raises(ClientError, match=found):
            list(client.classify_many([PIXEL]))
    assert proxy.asked[0] == "CONNECT models.internal:8500 HTTP/1.1"


async def test_also_with_asyncio(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
    async with AsyncClient("models.internal:8500") as client:
        with pytest.raises(ClientError, match="through the proxy of https_proxy"):
            await client.list_models()


@pytest.mark.parametrize(
    ("target", "direct"),
    [
        ("dns:///localhost:8500", True),
        ("dns:///models.localhost:8500", True),
        ("dns:///127.3.2.1:8500", True),
        ("dns:///[::1]:8500", True),
        ("dns:///[::ffff:127.0.0.1]:8500", True),
        ("dns:///0.0.0.0:8500", True),
        ("ipv6:[::1]:8500", True),
        ("unix:/run/vitscope", True),
        ("unix-abstract:vitscope", True),
        ("ipv4:10.0.0.1:8500,10.0.0.2:8500", True),
        ("dns:///10.0.0.1:8500", False),
        ("dns:///localhost.example:8500", False),
        ("dns:///models.internal:8500", False),
        ("dns://10.0.0.53/models.internal:8500", False),
    ],
)
def test_which_targets_go_direct(target: str, direct: bool) -> None:
    assert goes_direct(target) == direct


@pytest.mark.parametrize(
    ("exceptions", "avoided"),
    [("", False), ("internal", True), (".internal", True), ("example, models.internal", True), ("10.0.0.0/8", False)],
)
def test_no_proxy_is_understood_as_grpc_does(
    exceptions: str, avoided: bool, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.address)
    monkeypatch.setenv("no_proxy", exceptions)
    assert (proxy_route("dns:///models.internal:8500") == "") == avoided
