"""Clients that end their sending: those that wait get their answers, those that left are noticed while it is made."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from aiohttp import web

from vitscope.server.api.connections import Connection, Connections

ASKED = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
Loop = Callable[[Awaitable[None]], None]


class Slow:
    """A server whose answers take until they are allowed, in as many pieces."""

    def __init__(self) -> None:
        self.asked, self.allowed, self.left = asyncio.Semaphore(0), asyncio.Event(), asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.release()
        try:
            await self.allowed.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        return web.Response(text="done")

    async def run(self, use: Callable[[int], Awaitable[None]]) -> None:
        app = web.Application()
        app.add_routes([web.get("/", self.answer)])
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        handler = runner.server
        assert handler is not None
        made = await asyncio.get_running_loop().create_server(
            lambda: Connection(handler, Connections(9), 30), "127.0.0.1", 0
        )
        async with made:
            await use(made.sockets[0].getsockname()[1])
        await runner.cleanup()


async def connected(port: int, sent: bytes) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, sent)
    return client


async def read(client: socket.socket) -> bytes:
    found = b""
    while more := await asyncio.get_running_loop().sock_recv(client, 4096):
        found += more
    return found


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_waits_gets_every_answer_whole(run: Loop) -> None:
    async def use() -> None:
        slow = Slow()

        async def ask(port: int) -> None:
            client = await connected(port, ASKED * 3)
            await slow.asked.acquire()
            client.shutdown(socket.SHUT_WR)
            await asyncio.sleep(0.1)
            assert await asyncio.get_running_loop().sock_recv(client, 4096) == b"H"
            slow.allowed.set()
            found = b"H" + await asyncio.wait_for(read(client), 10)
            assert found.count(b"HTTP/1.1 200 OK\r\n") == found.count(b"\r\n\r\ndone") == 3
            assert found.startswith(b"HTTP/1.1") and not slow.left.is_set()
            client.close()

        await slow.run(ask)

    run(use())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_left_is_noticed(run: Loop) -> None:
    async def use() -> None:
        slow = Slow()

        async def ask(port: int) -> None:
            client = await connected(port, ASKED)
            await slow.asked.acquire()
            client.close()
            await asyncio.wait_for(slow.left.wait(), 10)

        await slow.run(ask)

    run(use())
