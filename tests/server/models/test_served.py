"""A model version is loaded, leased, retired and freed."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.server.models.bundles import write_bundle
from tests.server.models.waiting import until
from vitscope.bundle import ATTENTION, CLASSIFY, Bundle
from vitscope.server.engines.choose import Wanted
from vitscope.server.errors import NotReady
from vitscope.server.models import served
from vitscope.server.models.errors import LoadAbandoned
from vitscope.server.models.loader import EngineSettings, Loader
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    yield scheduler
    scheduler.close()


@pytest.fixture
def reported() -> list[State]:
    """State after each change of the model."""
    return []


@pytest.fixture
def model(scheduler: Scheduler, tmp_path: Path, reported: list[State]) -> ServedModel:
    settings = EngineSettings(Wanted("onnxruntime", "auto", False), threads=1, max_batch=2, cache=tmp_path / "cache")
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    return ServedModel(path, scheduler, settings, lambda model: reported.append(model.state))


def lanes(scheduler: Scheduler) -> list[str]:
    return [lane.name for lane in scheduler._dispatcher.lanes]


async def test_states_are_reported_as_they_change(model: ServedModel, reported: list[State]) -> None:
    assert model.identity is None
    with pytest.raises(NotReady, match="model a/1 is loading: waiting to be loaded"):
        _ = model.bundle
    await model.load()
    assert reported == [State.LOADING, State.READY]
    assert str(model.identity) == "onnxruntime/f32"
    assert list(model.costs) == [1, 2]
    assert model.best_batch in (1, 2)
    assert (await model.lane(CLASSIFY)) is (await model.lane(CLASSIFY))
    model.free()
    assert model.identity is None


async def test_a_graph_that_failed_is_not_compiled_again_by_every_request(model: ServedModel) -> None:
    await model.load()
    with pytest.raises(KeyError):
        await model.lane(ATTENTION)  # this bundle has no such graph
    with pytest.raises(NotReady, match="its attention graph could not be loaded"):
        await model.lane(ATTENTION)
    assert (await model.lane(CLASSIFY)).model == "a"
    model.free()


async def test_a_model_retires_when_its_lease_is_released(model: ServedModel, scheduler: Scheduler) -> None:
    await model.load()
    with model.lease():
        retiring = asyncio.create_task(model.retire())
        await asyncio.sleep(0.05)
        assert (await model.lane(CLASSIFY)).name in lanes(scheduler)
    await asyncio.wait_for(retiring, 5)
    assert lanes(scheduler) == model.open_lanes == []
    with pytest.raises(NotReady, match="model a/1 is being unloaded"):
        await model.lane(CLASSIFY)


async def test_a_model_that_was_never_loaded_retires_at_once(model: ServedModel) -> None:
    await asyncio.wait_for(model.retire(), 5)


async def test_freeing_does_not_wait_for_holders_and_ends_retirement(model: ServedModel, scheduler: Scheduler) -> None:
    await model.load()
    with model.lease():
        retiring = asyncio.create_task(model.retire())
        await asyncio.sleep(0.05)
        model.free()
        assert lanes(scheduler) == []
        await asyncio.wait_for(retiring, 5)


async def test_a_load_that_is_cancelled_stops_compiling(model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def compile_on(bundle: object, settings: object, stopping: Callable[[], bool], wait_for_build: bool) -> None:
        begun.set()
        for _ in range(2000):
            if stopping():
                stopped.set()
                raise LoadAbandoned("stopped")
            stopped.wait(0.01)

    monkeypatch.setattr(served, "Loader", compile_on)
    loading = asyncio.create_task(model.load())
    await until(begun.is_set)
    loading.cancel()
    await until(stopped.is_set)


class BlockedLoader(Loader):
    """Blocks in `blocked_in`, the constructor or `lane`, until `released` is set, and then loads after all."""

    blocked_in = ""
    entered, released = threading.Event(), threading.Event()

    def __init__(self, bundle: Bundle, settings: EngineSettings, stopping: Callable[[], bool], wait: bool) -> None:
        super().__init__(bundle, settings, lambda: False, wait)
        self._block("constructor")

    def lane(self, graph: str) -> Lane:
        self._block("lane")
        return super().lane(graph)  # type: ignore[arg-type]

    def _block(self, where: str) -> None:
        if where == self.blocked_in:
            self.entered.set()
            assert self.released.wait(20)


@pytest.mark.parametrize("where", ["constructor", "lane"])
async def test_a_model_that_retires_while_it_is_being_loaded_never_serves(
    model: ServedModel, scheduler: Scheduler, reported: list[State], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(BlockedLoader, "blocked_in", where)
    monkeypatch.setattr(BlockedLoader, "entered", threading.Event())
    monkeypatch.setattr(BlockedLoader, "released", threading.Event())
    monkeypatch.setattr(served, "Loader", BlockedLoader)
    with capture_logs() as logs:
        loading = asyncio.create_task(model.load())
        await until(BlockedLoader.entered.is_set)
        retiring = asyncio.create_task(model.retire())
        await asyncio.sleep(0.05)
        BlockedLoader.released.set()
        await asyncio.wait_for(asyncio.gather(loading, retiring), 20)
    assert reported == [State.LOADING, State.FAILED]
    assert lanes(scheduler) == model.open_lanes == []
    assert not [entry for entry in logs if entry["log_level"] == "error"], "it was wanted no more"
    assert logs[-1]["event"] in ("load given up", "engine retired")


async def test_the_lane_of_an_engine_that_was_replaced_meanwhile_is_not_given_away(model: ServedModel) -> None:
    class Opening:
        """Stands for the lanes on one engine, which are opened when the test says so."""

        def __init__(self) -> None:
            self.lane: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def open(self, graph: str) -> str:
            return await self.lane

    old, new = Opening(), Opening()
    model._lanes = old  # type: ignore[assignment]
    asked = asyncio.create_task(model.lane(ATTENTION))
    await asyncio.sleep(0)
    old.lane.set_result("the one that is freed")
    model._lanes = new  # type: ignore[assignment]
    new.lane.set_result("the one that serves")
    assert await asked == "the one that serves"
