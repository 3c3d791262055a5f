"""The models folder is polled."""

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.server.models.rights import closed
from tests.server.models.served_folder import ServedFolder
from tests.server.models.waiting import until
from vitscope.bundle import BundleError
from vitscope.server.errors import NotReady
from vitscope.server.models.status import State


async def test_a_new_version_is_loaded_beside_the_others_and_is_the_latest(folder: ServedFolder) -> None:
    folder.write("a/3")
    await folder.follow()
    assert folder.states == {"a/1": "ready", "a/2": "ready", "a/3": "ready", "b/1": "ready"}
    assert str(folder.repository.ready("a", 0)) == "a/3"
    assert folder.loads == [True] * 4


async def test_a_copy_is_not_loaded_before_it_is_complete(folder: ServedFolder) -> None:
    complete = folder.write("c/1")
    files = sorted(path.relative_to(complete) for path in complete.rglob("*") if path.is_file())
    (folder.path / "a/3/graphs").mkdir(parents=True)
    for file in files:
        shutil.copy(folder.path / "a/2" / file, folder.path / "a/3" / file)
        await folder.watcher.poll()
        assert "a/3" not in folder.states
    await folder.watcher.poll()
    assert folder.states["a/3"] == "failed", "its manifest says a/2"


@pytest.mark.parametrize("how", ["emptied", "removed"])
async def test_a_folder_that_becomes_unusable_changes_nothing_and_is_logged_once(
    folder: ServedFolder, how: str
) -> None:
    aside = folder.path.rename(folder.path.parent / "aside")
    if how == "emptied":
        folder.path.mkdir()
    with capture_logs() as logs:
        for _ in range(4):
            await folder.watcher.poll()
    assert [entry["event"] for entry in logs] == ["the models folder is not followed; everything stays as it is"]
    assert len(folder.states) == 3
    with pytest.raises(NotReady, match="cannot be read, or is empty"):
        await folder.control.load("a")
    shutil.rmtree(folder.path, ignore_errors=True)
    aside.rename(folder.path)
    with capture_logs() as logs:
        await folder.follow()
    assert [entry["event"] for entry in logs] == ["the models folder is followed again"]


async def test_a_model_that_cannot_be_read_is_told_of_and_the_rest_is_followed(open_to_all: Path) -> None:
    folder = ServedFolder(open_to_all)
    with closed(folder.path / "b"):
        await folder.watcher.start()
        assert folder.states == {"a/1": "ready", "a/2": "ready", "b/0": "failed"}
        assert "b: cannot be read (Permission denied)" in folder.repository.find("b", 0).detail
    await folder.follow()
    assert folder.states == {"a/1": "ready", "a/2": "ready", "b/1": "ready"}
    folder.write("a/3")
    with closed(folder.path / "b"), capture_logs() as logs:
        for _ in range(3):
            await folder.follow()
        assert folder.states == {"a/1": "ready", "a/2": "ready", "a/3": "ready", "b/1": "ready"}
    assert [e["model"] for e in logs if e["event"] == "a model is not followed; what it serves stays as it is"] == ["b"]
    await folder.close()


async def test_a_folder_without_bundles_is_refused(tmp_path: Path) -> None:
    folder = ServedFolder(tmp_path)
    shutil.rmtree(folder.path)
    folder.path.mkdir()
    with pytest.raises(BundleError, match="no bundles in it"):
        await folder.watcher.start()
    await folder.close()


async def test_the_folder_is_polled_in_the_background(folder: ServedFolder) -> None:
    folder.watcher.poll_every(0.02)
    folder.write("b/2")
    await until(lambda: folder.states.get("b/2") == State.READY.value)
