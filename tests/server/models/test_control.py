"""Loading, reloading and unloading by hand."""

import asyncio
import gc
import shutil

import pytest

from tests.server.models.served_folder import BlockedLoads, ServedFolder
from tests.server.models.waiting import until
from vitscope.server.errors import InvalidRequest, LoadFailed, ModelNotFound, NotReady


async def test_a_version_that_is_being_loaded_can_be_unloaded_by_hand(
    folder: ServedFolder, blocked: BlockedLoads
) -> None:
    blocked.names = {"a/3"}
    folder.write("a/3")
    request = asyncio.create_task(folder.control.load("a"))
    await until(lambda: folder.states.get("a/3") == "loading")
    assert [str(model) for model in await folder.control.unload("a", 3)] == ["a/3"]
    assert "a/3" not in folder.states
    blocked.released.set()
    with pytest.raises(LoadFailed, match="a/3 was removed or unloaded while it was being loaded"):
        await request


async def test_files_that_could_not_be_loaded_by_hand_are_reported_until_they_are_repaired(
    folder: ServedFolder,
) -> None:
    folder.damage("a/1")
    with pytest.raises(LoadFailed, match=r"certificate.json: changed"):
        await folder.control.reload("a", 1)
    await folder.follow()
    model = folder.repository.ready("a", 1)
    assert "certificate.json: changed since the export" in model.detail
    folder.write("a/1")
    await folder.follow()
    assert (folder.repository.ready("a", 1), model.detail) == (model, "")


async def test_loading_unloading_and_reloading_by_hand(folder: ServedFolder) -> None:
    assert [str(model) for model in await folder.control.unload("a")] == ["a/1", "a/2"]
    assert folder.lanes == ["b/1 classify"]
    assert (("a", 1), True) in folder.removed
    await folder.follow()
    assert folder.states == {"b/1": "ready"}, "what was unloaded by hand stays so"
    assert str(await folder.control.load("a")) == "a/2"
    (again,) = await folder.control.reload("a")
    assert again is folder.repository.ready("a", 0)
    assert await folder.control.load("a", 2) is again, "it is served already"
    folder.write("a/1", prefix="new ")
    await folder.follow()
    assert folder.states["a/1"] == "ready", "its files have changed"


async def test_requests_that_cannot_be_fulfilled(folder: ServedFolder) -> None:
    for request, wrong in (
        (lambda: folder.control.load(""), "model: empty; accepted: the name of one in the models folder: a, b"),
        (lambda: folder.control.load("c"), "model 'c' is not in the models folder; there is a, b"),
        (lambda: folder.control.load("a", 7), "model 'a' has no version 7 in the models folder; there is 1, 2"),
        (lambda: folder.control.unload("a", 7), "model 'a' has no version 7 on this server; there is 1, 2"),
    ):
        with pytest.raises((ModelNotFound, InvalidRequest), match=wrong):
            await request()
    folder.write("a/1", prefix="new ")
    folder.damage("a/1")
    with pytest.raises(
        LoadFailed, match=r"a/1 could not be loaded, and serves on as it was: .*certificate.json: changed"
    ):
        await folder.control.reload("a", 1)
    folder.write("a/3")
    folder.damage("a/3")
    with pytest.raises(LoadFailed, match=r"model a/3 could not be loaded: .*certificate.json: changed"):
        await folder.control.load("a")


async def test_a_request_goes_on_when_its_caller_is_cancelled(folder: ServedFolder) -> None:
    folder.write("a/3")
    caller = asyncio.create_task(folder.control.load("a"))
    while "a/3" not in folder.states:  # noqa: ASYNC110 — to be in the middle of it
        await asyncio.sleep(0)
    caller.cancel()
    await until(lambda: folder.states["a/3"] == "ready")


async def test_a_request_that_fails_after_its_caller_was_cancelled_is_not_reported_by_asyncio(
    folder: ServedFolder, blocked: BlockedLoads
) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    blocked.names = {"a/3"}
    folder.write("a/3")
    folder.damage("a/3")
    caller = asyncio.create_task(folder.control.load("a"))
    await until(lambda: folder.states.get("a/3") == "loading")
    caller.cancel()
    await asyncio.wait((caller,))
    blocked.released.set()
    await until(lambda: not folder.reconciler.tasks._running)
    gc.collect()
    await asyncio.sleep(0)
    assert folder.states["a/3"] == "failed"
    assert reported == []


async def test_nothing_is_reloaded_unless_all_of_it_is_in_the_folder(folder: ServedFolder) -> None:
    shutil.rmtree(folder.path / "a/2")
    with pytest.raises(ModelNotFound, match="model 'a' has no version 2 in the models folder; there is 1"):
        await folder.control.reload("a")
    assert folder.loads == [True] * 3


async def test_shutting_down_abandons_a_load(folder: ServedFolder) -> None:
    folder.write("a/3")
    request = asyncio.create_task(folder.control.load("a"))
    while "a/3" not in folder.states:  # noqa: ASYNC110 — to be in the middle of it
        await asyncio.sleep(0)
    await folder.reconciler.close()
    with pytest.raises(NotReady, match="shutting down"):
        await request
    with pytest.raises(NotReady, match="shutting down"):
        await folder.control.unload("a")
