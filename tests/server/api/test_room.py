"""The gate of a method, over a real admission that is full."""

import asyncio
import gc
import weakref
from collections import Counter
from typing import Any, cast

import grpc
import pytest

from vitscope.server.answer.service import Service
from vitscope.server.api.room import Room
from vitscope.server.api.status import Status
from vitscope.server.errors import Outcome, ServerError
from vitscope.server.metrics.families import Families
from vitscope.server.metrics.rpcs import RpcMetrics
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.callers import Callers
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.scheduling.transit import Transit


class Call:
    """A call that has just arrived. What it holds is what gRPC has received of its message."""

    def __init__(self, caller: str = "ipv4:127.0.0.1:1", seconds: float | None = None) -> None:
        self._caller, self._seconds = caller, seconds

    def peer(self) -> str:
        return self._caller

    def time_remaining(self) -> float | None:
        return self._seconds


class Counted:
    """The part of the service that a room uses."""

    def __init__(self) -> None:
        self.callers, self.outcomes = Callers(), Counter[Outcome]()

    def turned_away(self, error: ServerError, times: int = 1) -> None:
        self.outcomes[error.outcome] += times


class Door:
    """A gate whose server is full, and what it counted."""

    def __init__(self, scheduler: Scheduler, decoders: DecodePool) -> None:
        self.reasons, self.service, self.families = Counter[str](), Counted(), Families()
        self.admission = Admission(scheduler, decoders, 1, 10**9, 1.0, self._refused)
        self.rpcs = RpcMetrics(self.families).of("unary", "s", "m")
        room = Room(self.admission, cast(Transit, None), cast(Service, self.service))
        self.turn_away = room.gate(self.rpcs)

    def _refused(self, reason: str, times: int) -> None:
        self.reasons[reason] += times

    def value(self, name: str, **labels: str) -> float:
        method = {"grpc_type": "unary", "grpc_service": "s", "grpc_method": "m"}
        return self.families.registry.get_sample_value(name, {**method, **labels}) or 0.0


@pytest.fixture
def door(scheduler: Scheduler, decoders: DecodePool) -> Door:
    return Door(scheduler, decoders)


def fill(door: Door) -> Any:
    """Take the only place, and have one call refused by `receive`, so that the gate looks."""
    caller = door.service.callers.find("someone else", bulk=False)
    place = door.admission.place(caller, 1)
    place.__enter__()
    assert door.admission.refusal(caller, float("inf")) is not None
    return place


async def test_calls_pass_until_requests_are_refused(door: Door) -> None:
    assert door.turn_away(Call()) is None
    place = fill(door)
    assert door.turn_away(Call()) is not None
    place.__exit__(None, None, None)
    await asyncio.sleep(0.1)  # what is remembered is forgotten
    assert door.turn_away(Call()) is None


async def test_every_refusal_is_counted_once(door: Door) -> None:
    fill(door)
    before = door.reasons["in_flight"]
    for number in range(100):
        status = door.turn_away(Call(f"caller {number % 3}"))
        assert status is not None
        assert status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert status.retry_after_ms > 0
    await asyncio.sleep(0.1)
    assert door.reasons["in_flight"] - before == 100
    assert door.service.outcomes == {Outcome.REFUSED: 100}
    assert door.value("grpc_server_started_total") == 100
    assert door.value("grpc_server_handled_total", grpc_code="RESOURCE_EXHAUSTED") == 100
    assert door.value("grpc_server_handling_seconds_count") == 100


async def test_a_refusal_holds_nothing_of_its_call(door: Door) -> None:
    """Each one would hold the one before it, and so every message that was refused since the start."""
    fill(door)
    gc.disable()
    try:
        calls = list[weakref.ref[Call]]()
        for number in range(12):
            call = Call(seconds=-1.0 if number % 4 == 0 else None)
            calls.append(weakref.ref(call))
            assert isinstance(door.turn_away(call), Status)
            del call
            await asyncio.sleep(0.03)
        assert [call() for call in calls] == [None] * 12
    finally:
        gc.enable()


async def test_who_has_more_time_left_is_not_refused_for_the_deadline_of_another(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(door).__exit__(None, None, None)
    monkeypatch.setattr(Scheduler, "shortest_wait", lambda *_: 0.5)
    first = door.turn_away(Call(seconds=0.4))
    assert first is not None
    assert "longer than the 400 ms left" in first.message
    assert door.turn_away(Call(seconds=0.3)) is first
    assert door.turn_away(Call(seconds=0.7)) is None
    assert door.turn_away(Call()) is None
