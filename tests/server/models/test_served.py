"""One model version from loading to freeing."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.server.models.bundles import write_bundle
from vitscope.bundle import ATTENTION, CLASSIFY
from vitscope.server.engines.choose import Wanted
from vitscope.server.errors import NotReady
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.server.scheduling.scheduler import Scheduler


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    yield scheduler
    scheduler.close()


def served(path: Path, scheduler: Scheduler, changes: list[tuple[State, str]] | None = None) -> ServedModel:
    settings = EngineSettings(Wanted("onnxruntime", "auto", False), threads=1, max_batch=2, cache=path.parent / "cache")
    told = [] if changes is None else changes
    return ServedModel(path, scheduler, settings, lambda model: told.append((model.state, model.detail)))


@pytest.fixture
async def model(tmp_path: Path, scheduler: Scheduler) -> AsyncIterator[ServedModel]:
    model = served(write_bundle(tmp_path / "models", "a", 1, tmp_path), scheduler)
    yield model
    model.free()


async def test_it_is_not_ready_before_it_is_loaded(model: ServedModel) -> None:
    assert (model.state, model.identity, model.open_lanes, model.costs) == (State.LOADING, None, [], {})
    with pytest.raises(NotReady, match="model a/1 is loading"):
        _ = model.bundle


async def test_loaded_it_has_an_open_lane_and_says_which_engine(tmp_path: Path, scheduler: Scheduler) -> None:
    changes: list[tuple[State, str]] = []
    model = served(write_bundle(tmp_path / "models", "a", 1, tmp_path), scheduler, changes)
    await model.load()
    assert [state for state, _ in changes] == [State.LOADING, State.READY]
    assert (str(model), str(model.identity), model.degraded) == ("a/1", "onnxruntime/f32", False)
    assert await model.lane(CLASSIFY) is model.open_lane(CLASSIFY) is model.open_lanes[0]
    assert model.best_batch in model.costs
    model.free()


async def test_a_failed_load_is_a_state_with_a_reason(model: ServedModel) -> None:
    (model.path / "graphs/classify.onnx").write_bytes(b"broken")
    await model.load()
    assert model.state is State.FAILED and "classify.onnx" in model.detail
    assert str(model.path) in model.detail, "for the operator"
    assert "a/1/graphs/classify.onnx: changed since the export" in model.status.public, "for callers"
    assert str(model.path.parents[1]) not in model.status.public


async def test_callers_are_not_told_what_an_engine_says(model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Check 'false' failed at src/inference/src/cpp/core.cpp:97: /srv/secret/weights.bin")

    monkeypatch.setattr("vitscope.server.models.loader.open_engine", broken)
    with capture_logs() as logs:
        await model.load()
    (logged,) = [entry for entry in logs if entry["event"] == "model failed to load"]
    assert "core.cpp:97" in model.detail and "core.cpp:97" in logged["reason"]
    assert model.status.public == (
        f"the engine could not load it, error {logged['error_id']}; the server's log has the details under this id"
    )
    with pytest.raises(NotReady) as caught:
        await model.lane(CLASSIFY)
    assert "core.cpp" not in str(caught.value)


async def test_a_bundle_of_another_name_is_refused(tmp_path: Path, scheduler: Scheduler) -> None:
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    (tmp_path / "models/b").mkdir()
    shutil.move(path, tmp_path / "models/b/2")
    model = served(tmp_path / "models/b/2", scheduler)
    await model.load()
    assert model.state is State.FAILED and "its manifest says a/1, its folder b/2" in model.detail


async def test_it_is_freed_when_the_last_lease_is_back(model: ServedModel) -> None:
    await model.load()
    with model.lease():
        retiring = asyncio.create_task(model.retire())
        await asyncio.sleep(0.05)
        assert not retiring.done() and model.open_lanes, "whoever holds it goes on"
    await asyncio.wait_for(retiring, 10)
    assert not model.open_lanes
    with pytest.raises(NotReady, match="model a/1 is being unloaded"):
        await model.lane(ATTENTION)


async def test_freed_it_waits_for_nobody(model: ServedModel) -> None:
    await model.load()
    with model.lease():
        retiring = asyncio.create_task(model.retire())
        await asyncio.sleep(0)
        model.free()
        await asyncio.wait_for(retiring, 10)
