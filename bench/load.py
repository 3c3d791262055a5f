"""The load generator. Runs in a process of its own: messages are serialised beforehand and replies are not parsed."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc import aio

from bench.timing import poisson_arrivals, rate_between

CLASSIFY = "/vitscope.v1.ClassifierService/Classify"
CLASSIFY_STREAM = "/vitscope.v1.ClassifierService/ClassifyStream"
_CHANNELS = 4
_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),  # else equal channels share one connection
    ("grpc.max_receive_message_length", -1),
]
# Stands where each request gets a number of its own; nothing else in a message looks like it.
MARK = b"\x00vitscope-bench\x00"


@dataclass(frozen=True)
class Payload:
    """A serialised request with a hole for a number, so that no two requests in flight are equal."""

    head: bytes
    tail: bytes

    def numbered(self, number: int) -> bytes:
        return b"".join((self.head, number.to_bytes(len(MARK), "big"), self.tail))

    def __len__(self) -> int:
        """Bytes on the wire, without framing."""
        return len(self.head) + len(MARK) + len(self.tail)


@dataclass(frozen=True)
class Load:
    """What to send.

    clients: closed loop, each sends when its last reply is there, or `pause` seconds later. rate: open loop instead, Poisson arrivals per second.
    stream: one ClassifyStream call, written as fast as flow control allows. warm_up and seconds: what arrives or finishes
    in the first is not counted. timeout: the deadline of each call, seconds. keep: how many replies to return.
    """

    address: str
    payloads: tuple[Payload, ...]
    seconds: float
    warm_up: float = 1.0
    clients: int = 0
    pause: float = 0.0
    rate: float = 0.0
    stream: bool = False
    timeout: float = 120.0
    seed: int = 0
    keep: int = 0


@dataclass
class Outcome:
    """What came back. Latencies are in seconds, of the measured part only.

    rate: OK replies per second. answered: latencies of OK replies; refused: of RESOURCE_EXHAUSTED. In an open loop both
    count from the scheduled arrival, whenever the call was really sent; lag is that difference. codes: every measured call.
    cpu_seconds: what this process used from start to end, over wall_seconds.
    """

    rate: float = 0.0
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    replies: list[bytes] = field(default_factory=list)
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


def generate(load: Load) -> Outcome:
    """Send the load; returns when every call has ended."""
    cpu, wall = time.process_time(), time.perf_counter()
    outcome = asyncio.run(_Generator(load).run())
    outcome.cpu_seconds, outcome.wall_seconds = time.process_time() - cpu, time.perf_counter() - wall
    return outcome


class _Generator:
    def __init__(self, load: Load) -> None:
        self._load, self._outcome = load, Outcome()
        self._numbers = itertools.count()
        self._finished: list[float] = []

    async def run(self) -> Outcome:
        load = self._load
        channels = [aio.insecure_channel(load.address, options=_OPTIONS) for _ in range(_CHANNELS)]
        for channel in channels:
            await asyncio.wait_for(channel.channel_ready(), 10)
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
        self._outcome.rate = rate_between(self._finished, self._begin, self._end)
        return self._outcome

    async def _client(self) -> None:
        call = next(self._calls)
        while (now := time.perf_counter()) < self._end:
            await self._send(call, now)
            if self._load.pause:
                await asyncio.sleep(self._load.pause)

    async def _open_loop(self) -> None:
        start = self._begin - self._load.warm_up
        arrivals = start + poisson_arrivals(self._load.rate, self._load.warm_up + self._load.seconds, self._load.seed)
        async with asyncio.TaskGroup() as pending:
            for arrival in arrivals.tolist():
                if (wait := arrival - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                pending.create_task(self._send(next(self._calls), arrival))

    async def _send(self, call: Any, since: float) -> None:
        """One request; its latency counts from `since`, and it is measured if that lies in the measured part."""
        sent = time.perf_counter()
        code = grpc.StatusCode.OK
        try:
            reply = await call(self._message(), timeout=self._load.timeout)
        except aio.AioRpcError as error:
            code = error.code()
        else:
            self._finished.append(time.perf_counter())
            if len(self._outcome.replies) < self._load.keep and since >= self._begin:
                self._outcome.replies.append(reply)
        if not self._begin <= since < self._end:
            return
        took, outcome = time.perf_counter() - since, self._outcome
        outcome.codes[code.name] += 1
        outcome.lag.append(sent - since)
        if code is grpc.StatusCode.OK:
            outcome.answered.append(took)
        elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            outcome.refused.append(took)

    async def _stream(self, channel: aio.Channel) -> None:
        """Answers come in any order, so a stream has a rate and no latencies."""

        async def items() -> AsyncIterator[bytes]:
            while time.perf_counter() < self._end:
                yield self._message()

        async for reply in channel.stream_stream(CLASSIFY_STREAM, None, None)(items()):
            now = time.perf_counter()
            self._finished.append(now)
            if self._begin <= now < self._end:
                self._outcome.codes["OK"] += 1
                if len(self._outcome.replies) < self._load.keep:
                    self._outcome.replies.append(reply)

    def _message(self) -> bytes:
        number = next(self._numbers)
        return self._load.payloads[number % len(self._load.payloads)].numbered(number)
