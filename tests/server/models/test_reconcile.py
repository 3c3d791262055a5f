"""Versions are loaded, replaced and retired in the right order."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.server.models.served_folder import BlockedLoads, ServedFolder
from tests.server.models.waiting import until
from vitscope.server.errors import ModelNotFound


async def test_a_removed_version_leaves_the_index_and_is_freed_when_its_requests_are_answered(
    folder: ServedFolder,
) -> None:
    model = folder.repository.ready("a", 0)
    with model.lease():
        shutil.rmtree(folder.path / "a/2")
        await folder.follow()
        assert str(folder.repository.ready("a", 0)) == "a/1"
        with pytest.raises(ModelNotFound, match="model 'a' has no version 2; there is 1"):
            folder.repository.find("a", 2)
        assert folder.removed == [(("a", 2), False)]
        await asyncio.sleep(0.2)
        assert (await model.lane("classify")).name in folder.lanes, "who holds a lease may still ask for its lanes"
    await until(lambda: (("a", 2), True) in folder.removed)
    assert folder.lanes == ["a/1 classify", "b/1 classify"]


async def test_a_version_that_is_replaced_serves_until_the_new_one_does(folder: ServedFolder) -> None:
    before = folder.repository.ready("a", 1)
    folder.write("a/1", prefix="new ")
    folder.history.clear()
    await folder.follow()
    after = folder.repository.ready("a", 1)
    assert after is not before
    assert after.bundle.manifest.labels[0] == "new 0"
    assert folder.history == ["a/1 ready"], "nobody saw it loading"
    await until(lambda: folder.lanes.count("a/1 classify") == 1)
    await asyncio.sleep(0)
    assert folder.removed == [], "its number is still served"


async def test_a_removed_version_does_not_wait_for_a_load(folder: ServedFolder, blocked: BlockedLoads) -> None:
    blocked.names = {"b/2", "a/3"}
    folder.watcher.poll_every(0.02)
    folder.write("b/2")
    await until(lambda: folder.states.get("b/2") == "loading")
    folder.write("a/3")
    await until(lambda: ("a", 3) in folder.reconciler.ledger.folder)
    shutil.rmtree(folder.path / "a/2")
    await until(lambda: "a/2" not in folder.states)
    assert str(folder.repository.ready("a", 0)) == "a/1", "although another version of the model is still to be loaded"
    assert [str(model) for model in await folder.control.unload("b")] == ["b/1", "b/2"]
    assert folder.states == {"a/1": "ready"}
    blocked.released.set()
    await until(lambda: folder.states == {"a/1": "ready", "a/3": "ready"})
    assert folder.loads == [True] * 4


async def test_the_load_of_a_version_that_is_removed_is_abandoned(folder: ServedFolder, blocked: BlockedLoads) -> None:
    blocked.names = {"a/3"}
    folder.write("a/3")
    folder.write("b/2")
    folder.watcher.poll_every(0.02)
    await until(lambda: folder.states.get("a/3") == folder.states.get("b/2") == "loading")
    request = asyncio.create_task(folder.control.load("a", 3))
    shutil.rmtree(folder.path / "a/3")
    shutil.rmtree(folder.path / "b/2")
    await until(lambda: not {"a/3", "b/2"} & folder.states.keys())
    blocked.released.set()
    with pytest.raises(ModelNotFound, match="has no version 3 in the models folder"):
        await request
    assert folder.loads == [True] * 3
    assert not {"a/3 ready", "a/3 failed"} & set(folder.history)
    assert folder.lanes == ["a/1 classify", "a/2 classify", "b/1 classify"]


@pytest.mark.parametrize("damaged", [False, True])
async def test_a_version_that_is_removed_while_it_is_being_replaced_retires_at_once(
    folder: ServedFolder, blocked: BlockedLoads, damaged: bool
) -> None:
    blocked.names = {"a/1"}
    model = folder.repository.ready("a", 1)
    folder.write("a/1", prefix="new ")
    if damaged:
        folder.damage("a/1")
    await folder.watcher.poll()
    folder.watcher.poll_every(0.02)
    await until(lambda: len(folder.repository._unfreed) == 4)
    shutil.rmtree(folder.path / "a/1")
    await until(lambda: "a/1" not in folder.states)
    await until(lambda: model not in folder.repository._unfreed)
    blocked.released.set()
    await until(lambda: (("a", 1), True) in folder.removed)
    assert folder.loads == [True] * 3
    assert folder.states == {"a/2": "ready", "b/1": "ready"}
    assert folder.lanes == ["a/2 classify", "b/1 classify"]


async def test_a_replacement_that_cannot_be_loaded_leaves_what_serves(folder: ServedFolder) -> None:
    folder.write("a/1", prefix="new ")
    folder.damage("a/1")
    await folder.follow()
    model = folder.repository.ready("a", 1)
    assert model.bundle.manifest.labels[0] == "0"
    assert not model.degraded
    assert "the bundle that is in its place now could not be loaded" in model.detail
    assert "certificate.json: changed since the export" in model.detail
    assert folder.loads == [True, True, True, False]
    folder.write("a/1")
    await folder.follow()
    assert (folder.repository.ready("a", 1), model.detail) == (model, "")


async def test_a_version_that_failed_is_tried_again_when_it_has_been_repaired(folder: ServedFolder) -> None:
    folder.write("a/3", prefix="new ")
    folder.damage("a/3")
    await folder.follow()
    await folder.follow()
    assert folder.states["a/3"] == "failed"
    assert str(folder.repository.ready("a", 0)) == "a/2"
    assert folder.loads.count(False) == 1
    folder.write("a/3", prefix="new ")
    await folder.follow()
    assert str(folder.repository.ready("a", 0)) == "a/3"


async def test_only_the_newest_are_kept_and_the_next_takes_over(tmp_path: Path) -> None:
    folder = ServedFolder(tmp_path, keep=1)
    await folder.watcher.start()
    assert folder.states == {"a/2": "ready", "b/1": "ready"}
    folder.write("a/3")
    folder.history.clear()
    await folder.follow()
    assert folder.states == {"a/3": "ready", "b/1": "ready"}
    assert folder.history[-1] == "a/3 ready"
    assert folder.removed[0] == (("a", 2), False)
    shutil.rmtree(folder.path / "a/3")
    await folder.follow()
    assert str(folder.repository.ready("a", 0)) == "a/2"
    assert await folder.control.unserved() == {("a", 1): "older than the 1 that are kept"}
    await folder.control.unload("a")
    assert folder.states == {"b/1": "ready"}, "a/1, which would take the place, is unloaded too"
    await folder.close()
