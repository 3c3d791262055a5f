"""A better engine takes over from the one that serves, on a real scheduler, under load. Only the building is not real."""

import asyncio
import math
import shutil
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.server.engines.graphs import HEIGHT, WIDTH
from tests.server.engines.ladders import change_kind
from tests.server.models.test_repository import bundle
from vitscope.server.classifier import Classifier
from vitscope.server.engines import choose, cuda
from vitscope.server.engines.contract import Identity
from vitscope.server.engines.gate import GateFailed
from vitscope.server.engines.kind import EngineSpec
from vitscope.server.engines.onnxruntime import OnnxRuntimeEngine
from vitscope.server.engines.tensorrt.builder import BuildFailed
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import prepare_raw
from vitscope.server.loops import call_soon
from vitscope.server.metrics import Metrics
from vitscope.server.models import loader as loader_module
from vitscope.server.models import served
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.measure import LoadAbandoned
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel, State
from vitscope.server.models.watch import Watcher
from vitscope.server.query import Query
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.scheduling.timeline import Timeline

LIMITS = ImageLimits(max_bytes=10**6, max_pixels=10**6, max_frames=10)


class Built:
    """Stands for TensorRT: a plan that is there when the test says so, and that is ONNX Runtime inside."""

    def __init__(self) -> None:
        self.ready, self.failure = threading.Event(), ""
        self.opened = self.closed = 0

    def open(self, spec: EngineSpec) -> OnnxRuntimeEngine:
        assert self.ready.wait(20)
        if self.failure:
            raise BuildFailed(self.failure)
        engine = OnnxRuntimeEngine(spec.path, spec.profiles, 2)
        engine.identity = Identity("tensorrt", "11", "f16", "a GPU")
        engine.close = self.close  # type: ignore[method-assign]
        self.opened += 1
        return engine

    def close(self) -> None:
        self.closed += 1

    def is_built(self, *_: object) -> bool:
        return self.ready.is_set()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Built:
    built = Built()
    monkeypatch.setattr(cuda, "devices", lambda: ["a GPU"])
    change_kind(
        monkeypatch,
        "tensorrt",
        why_not=lambda precision: None,
        identity=lambda precision: Identity("tensorrt", "11", precision, "a GPU"),
        open=built.open,
        is_built=built.is_built,
    )
    return built


class House:
    """All that a request passes through, but the transport."""

    def __init__(self, path: Path, cache: Path) -> None:
        self.scheduler = Scheduler(hand_over=partial(call_soon, asyncio.get_running_loop()))
        self.decoders = DecodePool(1)
        self.metrics = Metrics()
        admission = Admission(self.scheduler, self.decoders, 1000, 10**8, 60)
        self.classifier = Classifier(admission, self.decoders, self.scheduler, self.metrics)
        settings = EngineSettings(choose.Wanted("auto", "auto", False), threads=2, max_batch=2, cache=cache)
        self.changes: list[tuple[State, str]] = []
        self.model = ServedModel(path, self.scheduler, settings, lambda m: self.changes.append((m.state, m.detail)))

    async def ask(self, number: int, bulk: bool = False) -> str:
        manifest = self.model.bundle.manifest
        pixels = np.full((HEIGHT, WIDTH, 3), number % 256, np.uint8).tobytes()
        prepare = partial(prepare_raw, pixels, WIDTH, HEIGHT, True, manifest.input, manifest.tokens, LIMITS, False)
        query = Query(
            Caller(f"{number % 7}", bulk),
            1,
            pixels + bytes([number // 256]),
            (),
            prepare,
            False,
            1,
            0.0,
            None,
            math.inf,
            Timeline(),
        )
        return str((await self.classifier.classify(self.model, query)).engine)

    def close(self) -> None:
        self.scheduler.close()
        self.decoders.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(bundle(tmp_path / "models", "a", 1, tmp_path), tmp_path / "cache")
    yield house
    house.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 — what is waited for tells nobody
            await asyncio.sleep(0.01)


async def test_it_serves_at_once_and_the_better_engine_takes_over_without_losing_a_request(
    built: Built, house: House
) -> None:
    await house.model.load()
    assert (house.model.state, str(house.model.identity)) == (State.READY, "openvino/f32")
    assert house.model.degraded
    assert house.model.detail == "served by openvino/f32 until a better engine is built"
    answers: list[str] = []

    async def client(first: int) -> None:
        number = first
        while not (built.ready.is_set() and answers[-20:] == ["tensorrt/f16"] * 20):
            answers.append(await house.ask(number, bulk=first % 2 == 1))
            number += 8

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for first in range(8):
            group.create_task(client(first))
        await asyncio.sleep(0.2)
        assert set(answers) == {"openvino/f32"}
        built.ready.set()
    await until(lambda: str(house.model.identity) == "tensorrt/f16" and not house.model.degraded)
    assert house.changes[-1] == (State.READY, "")
    await until(lambda: len(house.scheduler._dispatcher.lanes) == 1)
    assert await house.ask(9) == "tensorrt/f16"


async def test_a_graph_that_opens_just_when_another_engine_takes_over_is_not_given_away(house: House) -> None:
    old, new = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    house.model._lanes = {"attention": old}  # type: ignore[dict-item]
    asked = asyncio.create_task(house.model.lane("attention"))
    await asyncio.sleep(0)
    old.set_result("the one that is freed")
    house.model._lanes = {"attention": new}  # type: ignore[dict-item]
    new.set_result("the one that serves")
    assert await asked == "the one that serves"


async def test_nothing_is_left_of_a_model_that_retires_while_it_builds(built: Built, house: House) -> None:
    await house.model.load()
    await house.ask(1)
    engine = weakref.ref(house.model.open_lane("classify").engine)  # type: ignore[union-attr]
    retiring = asyncio.create_task(house.model.retire())
    await until(lambda: house.scheduler._dispatcher.lanes == [])
    built.ready.set()
    await retiring
    # Not left to the garbage collector: it does not look at what start-up made.
    assert engine() is None
    assert built.opened == built.closed
    assert house.changes[-1][0] is State.READY, "it is gone, and no more said about it"


async def test_an_engine_is_freed_away_from_the_event_loop(
    built: Built, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.model.load()
    lane = house.model.open_lane("classify")
    assert lane
    freed_by: list[str] = []

    def note() -> None:
        freed_by.append(threading.current_thread().name)

    close = lane.engine.close
    monkeypatch.setattr(lane.engine, "close", lambda: (note(), close()))
    for slot in lane.slots:
        weakref.finalize(slot, note)
    count = len(lane.slots) + 1
    del slot
    built.ready.set()
    await until(lambda: len(freed_by) == count)
    assert threading.current_thread().name not in freed_by


async def test_no_engine_is_built_from_files_that_have_changed(built: Built, house: House) -> None:
    await house.model.load()
    with house.model.bundle.graph_path("classify").open("ab") as file:
        file.write(b"!")
    built.ready.set()
    await until(lambda: "no better engine" in house.model.detail)
    assert "classify.onnx: changed since the export" in house.model.detail
    assert (house.model.state, str(house.model.identity)) == (State.READY, "openvino/f32")
    assert built.opened == 0


async def test_a_load_that_is_cancelled_stops_compiling(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def compile_on(bundle: object, settings: object, stopping: Callable[[], bool], patient: bool) -> None:
        begun.set()
        for _ in range(2000):
            if stopping():
                stopped.set()
                raise LoadAbandoned("stopped")
            stopped.wait(0.01)

    monkeypatch.setattr(served, "Loader", compile_on)
    loading = asyncio.create_task(house.model.load())
    await until(begun.is_set)
    loading.cancel()
    await until(stopped.is_set)


async def test_a_new_version_takes_over_on_its_best_engine_and_what_is_removed_waits_for_none(
    built: Built, house: House, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    repository = Repository(house.scheduler, house.model._settings, lambda model: None)
    watcher = Watcher(repository, models, keep=1)

    def serving() -> dict[str, str]:
        return {str(model): str(model.identity) for model in repository}

    async def look() -> None:
        await watcher.look()
        await watcher.look()

    await watcher.start()
    assert serving() == {"a/1": "openvino/f32"}, "at the start it serves as soon as it can"
    bundle(models, "a", 2, tmp_path)
    looking = asyncio.create_task(look())
    await until(lambda: "a/2" in serving())
    await asyncio.sleep(0.3)
    assert str(repository.ready("a", 0)) == "a/1"
    built.ready.set()
    await looking
    assert serving() == {"a/2": "tensorrt/f16"}
    assert not repository.ready("a", 0).degraded

    built.ready.clear()
    shutil.rmtree(models / "a/2")
    await look()
    assert serving() == {"a/1": "openvino/f32"}, "what is removed is to be left at once"
    built.ready.set()
    await watcher.close()
    await until(lambda: serving() == {"a/1": "tensorrt/f16"})
    await repository.take(("a", 1))


async def test_a_plan_that_is_there_already_is_used_from_the_start(built: Built, house: House) -> None:
    built.ready.set()
    await house.model.load()
    assert str(house.model.identity) == "tensorrt/f16"
    assert not house.model.degraded


async def test_where_no_plan_can_be_built_the_other_engine_stays(built: Built, house: House) -> None:
    built.failure = "an operator is not supported"
    await house.model.load()
    built.ready.set()
    await until(lambda: "no better engine" in house.model.detail)
    assert (house.model.state, str(house.model.identity)) == (State.READY, "openvino/f32")
    assert await house.ask(1) == "openvino/f32"


async def test_a_plan_that_answers_wrongly_never_takes_over(
    built: Built, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise GateFailed("it failed the gate on this machine: at batch 2, top-1 agrees on 3.0% of the images")

    monkeypatch.setattr(loader_module, "require", refuse)
    await house.model.load()
    built.ready.set()
    await until(lambda: "no better engine" in house.model.detail)
    assert "top-1 agrees on 3.0%" in house.model.detail
    await until(lambda: len(house.scheduler._dispatcher.lanes) == 1)
    assert await house.ask(1) == "openvino/f32"
    assert built.opened == built.closed


async def test_an_engine_that_fails_the_gate_is_freed_and_the_next_precision_is_tried(
    built: Built, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    built.ready.set()
    asked: list[str] = []

    def doubt(engine: Built, *_: object) -> None:
        asked.append("asked")
        if len(asked) < 3:
            raise GateFailed("it failed the gate on this machine: at batch 1, top-1 agrees on 12.0% of the images")

    monkeypatch.setattr(loader_module, "require", doubt)
    await house.model.load()
    assert len(asked) == 3
    assert built.opened - built.closed == 1, "engines that nobody uses hold the GPU's memory"
    assert house.model.choice
    assert house.model.choice.precision == "f32", "f16 and bf16 have been passed over"
    assert "tensorrt/f16, tensorrt/bf16: it failed the gate" in house.model.choice.reason


async def test_who_asks_for_the_engine_waits_for_it(built: Built, house: House) -> None:
    house.model._settings = replace(house.model._settings, wanted=choose.Wanted("tensorrt", "auto", False))
    loading = asyncio.create_task(house.model.load())
    await asyncio.sleep(0.3)
    assert house.model.state is State.LOADING
    built.ready.set()
    await asyncio.wait_for(loading, 20)
    assert str(house.model.identity) == "tensorrt/f16"
