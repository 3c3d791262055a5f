"""The load generator without Locust: one asyncio loop that sends, numbers and counts.

It runs on the same cores as the server that it measures. Messages are therefore serialised beforehand, arrivals are
drawn beforehand, and replies are not parsed.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc import aio

from vitscope.client.proxy import proxy_options
from vitscope.loadtest.arrivals import schedule
from vitscope.loadtest.channels import CHANNEL_OPTIONS, CLASSIFY, CLASSIFY_STREAM
from vitscope.loadtest.numbered import Numbered, numbers
from vitscope.loadtest.rates import rate_between

_CONNECT_SECONDS = 10
# Bytes of the messages under way in an open loop. Beyond them nothing is sent: a generator that does not keep up would
# fill the memory of the machine that it measures.
_MOST_UNDER_WAY = 2 * 2**30
NOT_SENT = "NOT_SENT"


@dataclass(frozen=True)
class Load:
    """What to send. `payloads` are sent in turn.

    clients: closed loop; each client sends its next request `pause` seconds after the last reply. rate: open loop
    instead, Poisson arrivals per second. stream: one ClassifyStream call instead, written as fast as flow control
    allows. warm_up and seconds: what arrives (in a stream: finishes) during the warm-up is sent and not counted.
    timeout: deadline of each call in seconds. keep: how many replies to return.
    """

    address: str
    payloads: tuple[Numbered, ...]
    seconds: float
    warm_up: float = 1.0
    clients: int = 0
    pause: float = 0.0
    rate: float = 0.0
    stream: bool = False
    timeout: float = 120.0
    seed: int = 0
    keep: int = 0
    connections: int = 4


@dataclass
class LoadResult:
    """What came back in the counted time. Latencies are in seconds.

    rate: OK replies per second. answered: latencies of OK replies; refused: of RESOURCE_EXHAUSTED. In an open loop both
    count from the scheduled arrival, whenever the call was really sent; lag is that difference. codes: every counted
    call by gRPC status, or NOT_SENT where this process could not keep up. cpu_seconds: of this process from start to
    end, over wall_seconds.
    """

    rate: float = 0.0
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    replies: list[bytes] = field(default_factory=list)
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


def generate(load: Load) -> LoadResult:
    """Send a load and return when every call has ended."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = asyncio.run(_Generator(load).run())
    result.cpu_seconds, result.wall_seconds = time.process_time() - cpu, time.perf_counter() - wall
    return result


class _Generator:
    def __init__(self, load: Load) -> None:
        self._load, self._result = load, LoadResult()
        self._payloads, self._numbers = itertools.cycle(load.payloads), numbers()
        self._finished: list[float] = []
        self._under_way = 0  # bytes

    async def run(self) -> LoadResult:
        load = self._load
        options = [*CHANNEL_OPTIONS, *proxy_options(load.address)]
        channels = [aio.insecure_channel(load.address, options=options) for _ in range(load.connections)]
        for channel in channels:
            await asyncio.wait_for(channel.channel_ready(), _CONNECT_SECONDS)
        self._calls = itertools.cycle([channel.unary_unary(CLASSIFY, None, None) for channel in channels])
        self._begin = time.perf_counter() + load.warm_up
        self._end = self._begin + load.seconds
        if load.stream:
            await self._stream(channels[0])
        elif load.rate:
            await self._open_loop()
        else:
            await asyncio.gather(*(self._client() for _ in range(load.clients)))
        for channel in channels:
            await channel.close(None)
        self._result.rate = rate_between(self._finished, self._begin, self._end)
        return self._result

    async def _client(self) -> None:
        call = next(self._calls)
        while (now := time.perf_counter()) < self._end:
            await self._send(call, now)
            if self._load.pause:
                await asyncio.sleep(self._load.pause)

    async def _open_loop(self) -> None:
        load, start = self._load, self._begin - self._load.warm_up
        arrivals = [start + arrival for arrival in schedule(load.rate, load.warm_up + load.seconds, load.seed)]
        async with asyncio.TaskGroup() as pending:
            for arrival in arrivals:
                if (wait := arrival - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                if self._under_way < _MOST_UNDER_WAY:
                    pending.create_task(self._send(next(self._calls), arrival))
                elif self._begin <= arrival < self._end:
                    self._result.codes[NOT_SENT] += 1

    async def _send(self, call: Any, since: float) -> None:
        """Send one request. Its latency counts from `since`, and is counted if that lies in the counted time."""
        sent = time.perf_counter()
        code = grpc.StatusCode.OK
        message = self._message()
        self._under_way += len(message)
        try:
            reply = await call(message, timeout=self._load.timeout)
        except aio.AioRpcError as error:
            code = error.code()
        else:
            self._finished.append(time.perf_counter())
            if len(self._result.replies) < self._load.keep and since >= self._begin:
                self._result.replies.append(reply)
        finally:
            self._under_way -= len(message)
        if not self._begin <= since < self._end:
            return
        took, result = time.perf_counter() - since, self._result
        result.codes[code.name] += 1
        result.lag.append(sent - since)
        if code is grpc.StatusCode.OK:
            result.answered.append(took)
        elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            result.refused.append(took)

    async def _stream(self, channel: aio.Channel) -> None:
        """Send one stream. Replies come in any order, so it has a rate and no latencies."""

        async def items() -> AsyncIterator[bytes]:
            while time.perf_counter() < self._end:
                yield self._message()

        async for reply in channel.stream_stream(CLASSIFY_STREAM, None, None)(items()):
            now = time.perf_counter()
            self._finished.append(now)
            if self._begin <= now < self._end:
                self._result.codes["OK"] += 1
                if len(self._result.replies) < self._load.keep:
                    self._result.replies.append(reply)

    def _message(self) -> bytes:
        return next(self._payloads).with_number(next(self._numbers))
