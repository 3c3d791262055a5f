"""An index of model versions, filled from a models folder."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.bundle.sample import write_sample
from tests.server.engines.graphs import write_graph
from tests.server.models.bundles import write_bundle
from vitscope.server.engines.choose import Wanted
from vitscope.server.errors import InvalidRequest, ModelNotFound, NotReady
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.reconcile import Reconciler
from vitscope.server.models.repository import Repository
from vitscope.server.models.status import State
from vitscope.server.models.watch import Watcher
from vitscope.server.scheduling.scheduler import Scheduler

SETTINGS = EngineSettings(Wanted("onnxruntime", "auto", False), threads=1, max_batch=2)


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler()
    yield scheduler
    scheduler.close()


async def loaded(models: Path, scheduler: Scheduler) -> Repository:
    repository = Repository(scheduler, SETTINGS, lambda model: None)
    await Watcher(Reconciler(repository, models)).start()
    return repository


@pytest.fixture
async def repository(scheduler: Scheduler, tmp_path: Path) -> AsyncIterator[Repository]:
    """a/1 and a/3 serve, a/4 is broken, b/1 serves."""
    models = tmp_path / "models"
    for name, version in (("a", 1), ("a", 3), ("a", 4), ("b", 1)):
        path = write_bundle(models, name, version, tmp_path)
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


async def test_an_error_about_a_missing_version_names_those_that_exist(repository: Repository) -> None:
    with pytest.raises(ModelNotFound, match="model 'c' is not served here; there is a, b"):
        repository.find("c", 0)
    with pytest.raises(ModelNotFound, match="model 'a' has no version 2; there is 1, 3, 4"):
        repository.find("a", 2)
    with pytest.raises(InvalidRequest, match="model: empty; accepted: one of a, b"):
        repository.find("", 0)
    await asyncio.gather(*[repository.retire(repository.find("a", version)) for version in (1, 3, 4)])
    assert str(repository.find("", 0)) == "b/1"
    await repository.retire(repository.find("b", 1))
    with pytest.raises(InvalidRequest, match="model: empty; accepted: none: this server has no model"):
        repository.find("", 0)


async def test_a_bundle_in_the_wrong_folder_fails(scheduler: Scheduler, tmp_path: Path) -> None:
    write_bundle(tmp_path / "models", "a", 1, tmp_path).rename(tmp_path / "models/a/2")
    (model,) = await loaded(tmp_path / "models", scheduler)
    assert model.state is State.FAILED
    assert "its manifest says a/1, its folder a/2" in model.detail


async def test_a_graph_that_is_not_what_the_manifest_says_fails_to_load(scheduler: Scheduler, tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.onnx")
    write_sample(tmp_path / "models", 1, "a", (tmp_path / "graph.onnx").read_bytes())
    (model,) = await loaded(tmp_path / "models", scheduler)
    assert model.state is State.FAILED
    assert "takes images of (4, 6, 3), the manifest says (28, 28, 3)" in model.detail
