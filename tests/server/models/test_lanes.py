"""Graphs of a model are opened once and freed once."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.server.models.waiting import until
from tests.server.scheduling.fakes import GatedEngine, lane
from vitscope.server.engines.choose import Choice
from vitscope.server.errors import NotReady
from vitscope.server.models import lanes as lanes_module
from vitscope.server.models.key import ModelKey
from vitscope.server.models.lanes import GraphLanes
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler


class CountingEngine(GatedEngine):
    """Counts how often it is closed, and notes on which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.closed_by: list[str] = []

    def close(self) -> None:
        self.closed_by.append(threading.current_thread().name)


class StandInLoader:
    """Opens a fake engine for each graph, once `may_open` is set; fails as long as there are `failures`."""

    choice = Choice("fake", "f32", "f32", "", certified=True)

    def __init__(self) -> None:
        self.may_open = threading.Event()
        self.may_open.set()
        self.failures: list[Exception] = []
        self.engines: list[CountingEngine] = []
        self.asked: list[str] = []

    def lane(self, graph: str) -> Lane:
        self.asked.append(graph)
        assert self.may_open.wait(20)
        if self.failures:
            raise self.failures.pop()
        self.engines.append(CountingEngine())
        return lane(self.engines[-1], graph)


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    yield scheduler
    scheduler.close()


@pytest.fixture
def loader() -> StandInLoader:
    return StandInLoader()


@pytest.fixture
def lanes(loader: StandInLoader, scheduler: Scheduler) -> GraphLanes:
    return GraphLanes(ModelKey("a", 1), loader, scheduler)  # type: ignore[arg-type]


def names(scheduler: Scheduler) -> list[str]:
    return [lane.model for lane in scheduler._dispatcher.lanes]


async def test_a_graph_is_opened_once_however_many_ask_for_it(
    lanes: GraphLanes, loader: StandInLoader, scheduler: Scheduler
) -> None:
    assert lanes.find("classify") is None
    first, second = await asyncio.gather(lanes.open("classify"), lanes.open("classify"))
    assert first is second is await lanes.open("classify") is lanes.find("classify")
    assert (lanes.open_lanes, loader.asked, names(scheduler)) == ([first], ["classify"], ["classify"])


async def test_one_caller_who_gives_up_abandons_nothing_for_the_others(
    lanes: GraphLanes, loader: StandInLoader
) -> None:
    loader.may_open.clear()
    impatient, other = asyncio.create_task(lanes.open("classify")), asyncio.create_task(lanes.open("classify"))
    await until(lambda: loader.asked == ["classify"])
    impatient.cancel()
    await asyncio.wait((impatient,))
    loader.may_open.set()
    assert await other is lanes.find("classify")


async def test_a_graph_that_failed_is_tried_again_after_a_while(
    lanes: GraphLanes, loader: StandInLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader.failures = [ValueError("not that graph")]
    with pytest.raises(ValueError, match="not that graph"):
        await lanes.open("attention")
    with pytest.raises(NotReady, match="model a/1: its attention graph could not be loaded; see the server's log"):
        await lanes.open("attention")
    assert await lanes.open("classify"), "the other graph is not affected"
    lanes._retry_at.clear()
    monkeypatch.setattr(lanes_module, "_RETRY_SECONDS", 0.0)
    loader.failures = [ValueError("not that graph")]
    with pytest.raises(ValueError, match="not that graph"):
        await lanes.open("attention")
    assert await lanes.open("attention")


async def test_a_lane_retires_when_its_lease_is_released(
    lanes: GraphLanes, loader: StandInLoader, scheduler: Scheduler
) -> None:
    lane = await lanes.open("classify")
    with lane.lease():
        retiring = asyncio.create_task(lanes.retire())
        await asyncio.sleep(0.05)
        assert names(scheduler) == ["classify"]
    await asyncio.wait_for(retiring, 5)
    (engine,) = loader.engines
    assert (names(scheduler), lane.slots, lanes.open_lanes) == ([], [], [])
    assert len(engine.closed_by) == 1
    assert engine.closed_by[0] != threading.current_thread().name, "it would hold up the event loop"


async def test_a_graph_that_is_being_opened_is_freed_as_well(
    lanes: GraphLanes, loader: StandInLoader, scheduler: Scheduler
) -> None:
    loader.may_open.clear()
    asking = asyncio.create_task(lanes.open("classify"))
    await until(lambda: loader.asked == ["classify"])
    retiring = asyncio.create_task(lanes.retire())
    await asyncio.sleep(0.05)
    loader.may_open.set()
    await asyncio.wait_for(asyncio.gather(asking, retiring), 5)
    assert names(scheduler) == []
    assert len(loader.engines[0].closed_by) == 1


async def test_freeing_ends_the_wait_for_holders_and_frees_once(
    lanes: GraphLanes, loader: StandInLoader, scheduler: Scheduler
) -> None:
    lane = await lanes.open("classify")
    await lanes.open("attention")
    with lane.lease():
        retiring = asyncio.create_task(lanes.retire())
        await asyncio.sleep(0.05)
        lanes.free()
        assert names(scheduler) == []
        await asyncio.wait_for(retiring, 5)
    assert [len(engine.closed_by) for engine in loader.engines] == [1, 1]


async def test_retirement_that_is_cancelled_frees_at_once(
    lanes: GraphLanes, loader: StandInLoader, scheduler: Scheduler
) -> None:
    lane = await lanes.open("classify")
    with lane.lease():
        retiring = asyncio.create_task(lanes.retire())
        await asyncio.sleep(0.05)
        retiring.cancel()
        await asyncio.wait((retiring,))
        assert retiring.cancelled()
    assert names(scheduler) == []
    assert len(loader.engines[0].closed_by) == 1


async def test_freeing_abandons_a_graph_that_is_being_opened(lanes: GraphLanes, loader: StandInLoader) -> None:
    loader.may_open.clear()
    asking = asyncio.create_task(lanes.open("classify"))
    await until(lambda: loader.asked == ["classify"])
    lanes.free()
    await asyncio.wait((asking,))
    assert asking.cancelled()
    loader.may_open.set()


async def test_the_graph_full_is_freed_when_nobody_has_used_it_for_a_while(
    loader: StandInLoader, scheduler: Scheduler
) -> None:
    lanes = GraphLanes(ModelKey("a", 1), loader, scheduler, idle_seconds=0.05)  # type: ignore[arg-type]
    await lanes.open("classify")
    full = await lanes.open("full")
    with full.lease():
        await asyncio.sleep(0.2)
        assert lanes.find("full") is full
    await until(lambda: bool(loader.engines[1].closed_by))
    assert lanes.find("full") is None and lanes.find("classify") is not None
    assert loader.engines[0].closed_by == [] and loader.engines[1].closed_by[0] != "MainThread"
    assert names(scheduler) == ["classify"]
    again = await lanes.open("full")
    assert again is not full and loader.asked == ["classify", "full", "full"]
    await lanes.retire()
    await asyncio.sleep(0.1)  # nothing is left that would free it twice
    assert [len(engine.closed_by) for engine in loader.engines] == [1, 1, 1]


async def test_without_a_time_it_stays(loader: StandInLoader, scheduler: Scheduler) -> None:
    lanes = GraphLanes(ModelKey("a", 1), loader, scheduler)  # type: ignore[arg-type]
    full = await lanes.open("full")
    await asyncio.sleep(0.1)
    assert lanes.find("full") is full
    lanes.free()
