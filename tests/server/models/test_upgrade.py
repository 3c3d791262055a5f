"""A better engine takes over under load, on a real scheduler. Only the building of its plan is not real."""

import asyncio
import shutil
import threading
import weakref
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.server.engines.graphs import HEIGHT, WIDTH
from tests.server.engines.ladders import change_kind
from tests.server.models.bundles import write_bundle, write_explaining_bundle
from tests.server.models.waiting import until
from vitscope.server.answer.classifier import Classifier
from vitscope.server.answer.deadline import Deadline
from vitscope.server.answer.decoding import Decoding
from vitscope.server.answer.prediction import predict_raw
from vitscope.server.answer.query import Query
from vitscope.server.engines import choose, cuda
from vitscope.server.engines.contract import Identity
from vitscope.server.engines.gate import GateFailed
from vitscope.server.engines.kind import EngineSpec
from vitscope.server.engines.onnxruntime import OnnxRuntimeEngine
from vitscope.server.engines.tensorrt.builder import BuildFailed
from vitscope.server.host.loops import call_soon
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import prepare_raw
from vitscope.server.metrics import Metrics
from vitscope.server.models import loader as loader_module
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.reconcile import Reconciler
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.server.models.watch import Watcher
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.scheduling.timeline import Timeline

LIMITS = ImageLimits(max_bytes=10**6, max_pixels=10**6, max_frames=10)


class FakeTensorRT:
    """A plan that is built once `ready` is set, and that runs ONNX Runtime. failure: why it cannot be built."""

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
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> FakeTensorRT:
    tensorrt = FakeTensorRT()
    monkeypatch.setattr(cuda, "devices", lambda: ["a GPU"])
    change_kind(
        monkeypatch,
        "tensorrt",
        why_not=lambda precision: None,
        identity=lambda precision: Identity("tensorrt", "11", precision, "a GPU"),
        open=tensorrt.open,
        is_built=tensorrt.is_built,
    )
    return tensorrt


class Pipeline:
    """Everything that a request passes through, except the transport."""

    def __init__(self, path: Path, cache: Path) -> None:
        self.scheduler = Scheduler(hand_over=partial(call_soon, asyncio.get_running_loop()))
        self.decoding = Decoding(1)
        self.metrics = Metrics()
        admission = Admission(self.scheduler, self.decoding.threads, 1000, 10**8, 60)
        self.classifier = Classifier(admission, self.decoding, self.scheduler, self.metrics)
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
            partial(predict_raw, WIDTH, HEIGHT, True, manifest.input, LIMITS.max_pixels),
            False,
            1,
            0.0,
            None,
            Deadline(0.0),
            Timeline(),
        )
        classification, _ = await self.classifier.classify(self.model, query)
        return str(classification.engine)

    def close(self) -> None:
        self.scheduler.close()
        self.decoding.close()


@pytest.fixture
async def pipeline(tmp_path: Path) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(write_bundle(tmp_path / "models", "a", 1, tmp_path), tmp_path / "cache")
    yield pipeline
    pipeline.close()


async def test_it_serves_at_once_and_the_better_engine_takes_over_without_losing_a_request(
    tensorrt: FakeTensorRT, pipeline: Pipeline
) -> None:
    await pipeline.model.load()
    assert (pipeline.model.state, str(pipeline.model.identity)) == (State.READY, "openvino/f32")
    assert pipeline.model.degraded
    assert pipeline.model.detail == "served by openvino/f32 until a better engine is built"
    answers: list[str] = []

    async def client(first: int) -> None:
        number = first
        while not (tensorrt.ready.is_set() and answers[-20:] == ["tensorrt/f16"] * 20):
            answers.append(await pipeline.ask(number, bulk=first % 2 == 1))
            number += 8

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for first in range(8):
            group.create_task(client(first))
        await asyncio.sleep(0.2)
        assert set(answers) == {"openvino/f32"}
        tensorrt.ready.set()
    await until(lambda: str(pipeline.model.identity) == "tensorrt/f16" and not pipeline.model.degraded)
    assert pipeline.changes[-1] == (State.READY, "")
    await until(lambda: len(pipeline.scheduler._dispatcher.lanes) == 1)
    assert await pipeline.ask(9) == "tensorrt/f16"


async def test_graphs_that_explain_are_built_when_they_are_asked_for(tensorrt: FakeTensorRT, tmp_path: Path) -> None:
    pipeline = Pipeline(write_explaining_bundle(tmp_path / "models", "a", 1, tmp_path), tmp_path / "cache")
    try:
        await pipeline.model.load()
        tensorrt.ready.set()
        await until(lambda: str(pipeline.model.identity) == "tensorrt/f16" and not pipeline.model.degraded)
        await until(lambda: len(pipeline.scheduler._dispatcher.lanes) == 1)
        assert [lane.name for lane in pipeline.scheduler._dispatcher.lanes] == ["a/1 classify"]
    finally:
        await pipeline.model.retire()
        pipeline.close()


async def test_nothing_is_left_of_a_model_that_retires_while_it_builds(
    tensorrt: FakeTensorRT, pipeline: Pipeline
) -> None:
    await pipeline.model.load()
    await pipeline.ask(1)
    engine = weakref.ref(pipeline.model.open_lane("classify").engine)  # type: ignore[union-attr]
    retiring = asyncio.create_task(pipeline.model.retire())
    await until(lambda: pipeline.scheduler._dispatcher.lanes == [])
    tensorrt.ready.set()
    await retiring
    # Not left to the garbage collector: it does not look at what start-up made.
    assert engine() is None
    assert tensorrt.opened == tensorrt.closed
    assert pipeline.changes[-1][0] is State.READY, "a model that retires changes its state no more"


async def test_an_engine_is_freed_away_from_the_event_loop(
    tensorrt: FakeTensorRT, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pipeline.model.load()
    lane = pipeline.model.open_lane("classify")
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
    tensorrt.ready.set()
    await until(lambda: len(freed_by) == count)
    assert threading.current_thread().name not in freed_by


async def test_no_engine_is_built_from_files_that_have_changed(tensorrt: FakeTensorRT, pipeline: Pipeline) -> None:
    await pipeline.model.load()
    with pipeline.model.bundle.graph_path("classify").open("ab") as file:
        file.write(b"!")
    tensorrt.ready.set()
    await until(lambda: "no better engine" in pipeline.model.detail)
    assert "classify.onnx: changed since the export" in pipeline.model.detail
    assert (pipeline.model.state, str(pipeline.model.identity)) == (State.READY, "openvino/f32")
    assert tensorrt.opened == 0


async def test_a_new_version_takes_over_on_its_best_engine_and_a_removed_one_waits_for_none(
    tensorrt: FakeTensorRT, pipeline: Pipeline, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    repository = Repository(pipeline.scheduler, pipeline.model._settings, lambda model: None)
    reconciler = Reconciler(repository, models, keep=1)
    watcher = Watcher(reconciler)

    def serving() -> dict[str, str]:
        return {str(model): str(model.identity) for model in repository}

    async def follow() -> None:
        await watcher.poll()
        await watcher.poll()

    await watcher.start()
    assert serving() == {"a/1": "openvino/f32"}, "at the start it serves as soon as it can"
    write_bundle(models, "a", 2, tmp_path)
    following = asyncio.create_task(follow())
    await until(lambda: "a/2" in serving())
    await asyncio.sleep(0.3)
    assert str(repository.ready("a", 0)) == "a/1"
    tensorrt.ready.set()
    await following
    assert serving() == {"a/2": "tensorrt/f16"}
    assert not repository.ready("a", 0).degraded

    tensorrt.ready.clear()
    shutil.rmtree(models / "a/2")
    await follow()
    assert serving() == {"a/1": "openvino/f32"}, "the removed version retires at once"
    tensorrt.ready.set()
    await reconciler.close()
    await until(lambda: serving() == {"a/1": "tensorrt/f16"})
    await repository.retire(repository.find("a", 1))


async def test_a_plan_that_was_built_before_is_used_from_the_start(tensorrt: FakeTensorRT, pipeline: Pipeline) -> None:
    tensorrt.ready.set()
    await pipeline.model.load()
    assert str(pipeline.model.identity) == "tensorrt/f16"
    assert not pipeline.model.degraded


async def test_if_no_plan_can_be_built_the_other_engine_serves_on(tensorrt: FakeTensorRT, pipeline: Pipeline) -> None:
    tensorrt.failure = "an operator is not supported"
    await pipeline.model.load()
    tensorrt.ready.set()
    await until(lambda: "no better engine" in pipeline.model.detail)
    assert (pipeline.model.state, str(pipeline.model.identity)) == (State.READY, "openvino/f32")
    assert await pipeline.ask(1) == "openvino/f32"


async def test_a_plan_that_fails_the_gate_never_takes_over(
    tensorrt: FakeTensorRT, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise GateFailed("it failed the gate on this machine: at batch 2, top-1 agrees on 3.0% of the images")

    monkeypatch.setattr(loader_module, "require", refuse)
    await pipeline.model.load()
    tensorrt.ready.set()
    await until(lambda: "no better engine" in pipeline.model.detail)
    assert "top-1 agrees on 3.0%" in pipeline.model.detail
    await until(lambda: len(pipeline.scheduler._dispatcher.lanes) == 1)
    assert await pipeline.ask(1) == "openvino/f32"
    assert tensorrt.opened == tensorrt.closed


async def test_an_engine_that_fails_the_gate_is_freed_and_the_next_precision_is_tried(
    tensorrt: FakeTensorRT, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorrt.ready.set()
    asked: list[str] = []

    def doubt(engine: FakeTensorRT, *_: object) -> None:
        asked.append("asked")
        if len(asked) < 3:
            raise GateFailed("it failed the gate on this machine: at batch 1, top-1 agrees on 12.0% of the images")

    monkeypatch.setattr(loader_module, "require", doubt)
    await pipeline.model.load()
    assert len(asked) == 3
    assert tensorrt.opened - tensorrt.closed == 1, "engines that nobody uses hold the GPU's memory"
    assert pipeline.model.choice
    assert pipeline.model.choice.precision == "f32", "f16 and bf16 have been passed over"
    assert "tensorrt/f16, tensorrt/bf16: it failed the gate" in pipeline.model.choice.reason


async def test_an_operator_who_asks_for_the_engine_waits_for_it(tensorrt: FakeTensorRT, pipeline: Pipeline) -> None:
    pipeline.model._settings = replace(pipeline.model._settings, wanted=choose.Wanted("tensorrt", "auto", False))
    loading = asyncio.create_task(pipeline.model.load())
    await asyncio.sleep(0.3)
    assert pipeline.model.state is State.LOADING
    tensorrt.ready.set()
    await asyncio.wait_for(loading, 20)
    assert str(pipeline.model.identity) == "tensorrt/f16"
