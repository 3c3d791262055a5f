import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.bundle.sample import MANIFEST, write_sample
from tests.server.engines.graphs import CLASSES, HEIGHT, WIDTH, write_graph
from vitscope.bundle import ATTENTION, CLASSIFY, Graph, Output
from vitscope.server.engines.choose import Wanted
from vitscope.server.errors import InvalidRequest, ModelNotFound, NotReady
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel, State
from vitscope.server.models.watch import Watcher
from vitscope.server.scheduling.scheduler import Scheduler

SETTINGS = EngineSettings(Wanted("onnxruntime", "auto", False), threads=1, max_batch=2)


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    yield scheduler
    scheduler.close()


def bundle(models: Path, name: str, version: int, tmp_path: Path) -> Path:
    """A bundle whose graph really runs."""
    write_graph(tmp_path / "graph.onnx")
    manifest = MANIFEST.model_copy(
        update={
            "labels": tuple(map(str, range(CLASSES))),
            "input": MANIFEST.input.model_copy(update={"height": HEIGHT, "width": WIDTH}),
            "tokens": MANIFEST.tokens.model_copy(
                update={"patch_height": 2, "patch_width": 2, "grid_rows": HEIGHT // 2, "grid_cols": WIDTH // 2}
            ),
            "graphs": {
                "classify": Graph(file="graphs/classify.onnx", outputs=(Output(name="logits", shape=("N", CLASSES)),))
            },
        }
    )
    return write_sample(models, version, name, (tmp_path / "graph.onnx").read_bytes(), manifest)


async def loaded(models: Path, scheduler: Scheduler) -> Repository:
    repository = Repository(scheduler, SETTINGS, lambda model: None)
    await Watcher(repository, models).start()
    return repository


@pytest.fixture
async def repository(scheduler: Scheduler, tmp_path: Path) -> AsyncIterator[Repository]:
    """a/1 and a/3 serve, a/4 is broken, b/1 serves."""
    models = tmp_path / "models"
    for name, version in (("a", 1), ("a", 3), ("a", 4), ("b", 1)):
        path = bundle(models, name, version, tmp_path)
        if version == 4:
            (path / "graphs/classify.onnx").write_bytes(b"broken")
    repository = await loaded(models, scheduler)
    yield repository
    await repository.close()


async def test_states_and_order(repository: Repository) -> None:
    assert [(str(model), model.state) for model in repository] == [
        ("a/1", State.READY),
        ("a/3", State.READY),
        ("a/4", State.FAILED),
        ("b/1", State.READY),
    ]


async def test_the_latest_that_is_ready_is_the_default(repository: Repository) -> None:
    assert str(repository.ready("a", 0)) == "a/3"
    assert str(repository.ready("a", 1)) == "a/1"
    assert str(repository.find("a", 4)) == "a/4"
    with pytest.raises(NotReady, match=r"model a/4 is failed: .*classify.onnx: changed since the export"):
        repository.ready("a", 4)


async def test_what_is_not_there_is_said_with_what_is(repository: Repository) -> None:
    with pytest.raises(ModelNotFound, match="model 'c' is not served here; there is a, b"):
        repository.find("c", 0)
    with pytest.raises(ModelNotFound, match="model 'a' has no version 2; there is 1, 3, 4"):
        repository.find("a", 2)
    with pytest.raises(InvalidRequest, match="model: empty; accepted: one of a, b"):
        repository.find("", 0)
    await asyncio.gather(*[repository.take(("a", version)) for version in (1, 3, 4)])
    assert str(repository.find("", 0)) == "b/1"
    await repository.take(("b", 1))
    with pytest.raises(InvalidRequest, match="model: empty; accepted: none: this server has no model"):
        repository.find("", 0)


async def test_a_bundle_in_the_wrong_folder_fails(scheduler: Scheduler, tmp_path: Path) -> None:
    bundle(tmp_path / "models", "a", 1, tmp_path).rename(tmp_path / "models/a/2")
    (model,) = await loaded(tmp_path / "models", scheduler)
    assert model.state is State.FAILED
    assert "its manifest says a/1, its folder a/2" in model.detail


async def test_states_are_told_as_they_change(scheduler: Scheduler, tmp_path: Path) -> None:
    told: list[State] = []
    path = bundle(tmp_path / "models", "a", 1, tmp_path)
    model = ServedModel(path, scheduler, SETTINGS, lambda m: told.append(m.state))
    assert model.identity is None
    await model.load()
    assert told == [State.LOADING, State.READY]
    assert str(model.identity) == "onnxruntime/f32"
    assert list(model.costs) == [1, 2]
    assert model.best_batch in (1, 2)
    assert (await model.lane(CLASSIFY)) is (await model.lane(CLASSIFY))
    model.unload()
    assert model.identity is None


async def test_a_graph_that_is_not_what_the_manifest_says_fails_to_load(scheduler: Scheduler, tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.onnx")
    write_sample(tmp_path / "models", 1, "a", (tmp_path / "graph.onnx").read_bytes())
    (model,) = await loaded(tmp_path / "models", scheduler)
    assert model.state is State.FAILED
    assert "takes images of (4, 6, 3), the manifest says (28, 28, 3)" in model.detail


async def test_a_graph_that_failed_is_not_compiled_again_by_every_request(scheduler: Scheduler, tmp_path: Path) -> None:
    path = bundle(tmp_path / "models", "a", 1, tmp_path)
    model = ServedModel(path, scheduler, SETTINGS, lambda m: None)
    await model.load()
    with pytest.raises(KeyError):
        await model.lane(ATTENTION)  # this bundle has no such graph
    with pytest.raises(NotReady, match="its attention graph could not be loaded"):
        await model.lane(ATTENTION)
    assert (await model.lane(CLASSIFY)).model == "a"
    model.unload()
