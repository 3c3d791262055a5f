"""The folder is followed, with bundles that really run."""

import asyncio
import gc
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.bundle.copies import copy_bundle
from tests.server.models.test_repository import bundle
from vitscope.bundle import Bundle, BundleError, open_bundle
from vitscope.server.engines.choose import Wanted
from vitscope.server.errors import InvalidRequest, LoadFailed, ModelNotFound, NotReady
from vitscope.server.models import served
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel, State
from vitscope.server.models.survey import Key
from vitscope.server.models.watch import Watcher
from vitscope.server.scheduling.scheduler import Scheduler


class House:
    """A watched folder: a/1, a/2 and b/1."""

    def __init__(self, tmp_path: Path, keep: int = 0) -> None:
        self.source, self.folder = bundle(tmp_path / "source", "a", 1, tmp_path), tmp_path / "models"
        self.scheduler = Scheduler()
        settings = EngineSettings(
            Wanted("onnxruntime", "auto", False), threads=1, max_batch=2, cache=tmp_path / "cache"
        )
        self.gone: list[tuple[Key, bool]] = []
        self.repository = Repository(self.scheduler, settings, self._changed, lambda *gone: self.gone.append(gone))
        self.loads: list[bool] = []
        self.history: list[str] = []
        self.watcher = Watcher(self.repository, self.folder, keep, self.loads.append)
        for name in ("a/1", "a/2", "b/1"):
            self.write(name)

    def _changed(self, model: ServedModel) -> None:
        self.history.append(f"{model} {model.state.value}")

    def write(self, name: str, prefix: str = "") -> Path:
        path = self.folder / name
        copy_bundle(self.source, path, prefix)
        return path

    def break_(self, name: str) -> None:
        with (self.folder / name / "certificate.json").open("a") as file:
            file.write(" ")

    async def look(self) -> None:
        """Twice: a change counts when two looks agree."""
        await self.watcher.look()
        await self.watcher.look()

    @property
    def states(self) -> dict[str, str]:
        return {str(model): model.state.value for model in self.repository}

    @property
    def lanes(self) -> list[str]:
        return sorted(lane.name for lane in self.scheduler._dispatcher.lanes)

    async def close(self) -> None:
        await self.watcher.close()
        self.scheduler.close()
        await self.repository.close()
        assert self.lanes == []


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    await house.watcher.start()
    yield house
    await house.close()


class Held:
    """Loads of these versions stand still until they are let go on."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.go_on = threading.Event()

    def open_bundle(self, path: Path) -> Bundle:
        if f"{path.parent.name}/{path.name}" in self.names:
            assert self.go_on.wait(30)
        return open_bundle(path)


@pytest.fixture
def held(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held()
    monkeypatch.setattr(served, "open_bundle", held.open_bundle)
    yield held
    held.go_on.set()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 — what is waited for tells nobody
            await asyncio.sleep(0.01)


async def test_a_new_version_is_loaded_beside_the_others_and_is_the_latest(house: House) -> None:
    house.write("a/3")
    await house.look()
    assert house.states == {"a/1": "ready", "a/2": "ready", "a/3": "ready", "b/1": "ready"}
    assert str(house.repository.ready("a", 0)) == "a/3"
    assert house.loads == [True] * 4


async def test_a_version_that_is_removed_is_found_no_more_and_freed_when_its_requests_are_answered(
    house: House,
) -> None:
    model = house.repository.ready("a", 0)
    model.users += 1
    shutil.rmtree(house.folder / "a/2")
    await house.look()
    assert str(house.repository.ready("a", 0)) == "a/1"
    with pytest.raises(ModelNotFound, match="model 'a' has no version 2; there is 1"):
        house.repository.find("a", 2)
    assert house.gone == [(("a", 2), False)]
    await asyncio.sleep(0.2)
    assert (await model.lane("classify")).name in house.lanes, "who has it may still ask for its lanes"
    model.users -= 1
    await until(lambda: (("a", 2), True) in house.gone)
    assert house.lanes == ["a/1 classify", "b/1 classify"]


async def test_a_version_that_is_replaced_serves_until_the_new_one_does(house: House) -> None:
    before = house.repository.ready("a", 1)
    house.write("a/1", prefix="new ")
    house.history.clear()
    await house.look()
    after = house.repository.ready("a", 1)
    assert after is not before
    assert after.bundle.manifest.labels[0] == "new 0"
    assert house.history == ["a/1 ready"], "it was never seen loading"
    await until(lambda: house.lanes.count("a/1 classify") == 1)
    await asyncio.sleep(0)
    assert house.gone == [], "its number is still served"


async def test_what_is_removed_does_not_wait_for_a_load(house: House, held: Held) -> None:
    held.names = {"b/2", "a/3"}
    house.watcher.begin(0.02)
    house.write("b/2")
    await until(lambda: house.states.get("b/2") == "loading")
    house.write("a/3")
    await until(lambda: ("a", 3) in house.watcher._ledger.folder)
    shutil.rmtree(house.folder / "a/2")
    await until(lambda: "a/2" not in house.states)
    assert str(house.repository.ready("a", 0)) == "a/1", "while more of the same model is still to be loaded"
    assert [str(model) for model in await house.watcher.unload("b")] == ["b/1", "b/2"]
    assert house.states == {"a/1": "ready"}
    held.go_on.set()
    await until(lambda: house.states == {"a/1": "ready", "a/3": "ready"})
    assert house.loads == [True] * 4


async def test_what_is_removed_while_it_is_being_loaded_is_loaded_no_more(house: House, held: Held) -> None:
    held.names = {"a/3"}
    house.write("a/3")
    house.write("b/2")
    house.watcher.begin(0.02)
    await until(lambda: house.states.get("a/3") == house.states.get("b/2") == "loading")
    order = asyncio.create_task(house.watcher.load("a", 3))
    shutil.rmtree(house.folder / "a/3")
    shutil.rmtree(house.folder / "b/2")
    await until(lambda: not {"a/3", "b/2"} & house.states.keys())
    held.go_on.set()
    with pytest.raises(ModelNotFound, match="has no version 3 in the models folder"):
        await order
    assert house.loads == [True] * 3
    assert not {"a/3 ready", "a/3 failed"} & set(house.history)
    assert house.lanes == ["a/1 classify", "a/2 classify", "b/1 classify"]


@pytest.mark.parametrize("damaged", [False, True])
async def test_a_version_that_is_removed_while_it_is_being_replaced_leaves_at_once(
    house: House, held: Held, damaged: bool
) -> None:
    held.names = {"a/1"}
    model = house.repository.ready("a", 1)
    house.write("a/1", prefix="new ")
    if damaged:
        house.break_("a/1")
    await house.watcher.look()
    house.watcher.begin(0.02)
    await until(lambda: len(house.repository._made) == 4)
    shutil.rmtree(house.folder / "a/1")
    await until(lambda: "a/1" not in house.states)
    await until(lambda: model not in house.repository._made)
    held.go_on.set()
    await until(lambda: (("a", 1), True) in house.gone)
    assert house.loads == [True] * 3
    assert house.states == {"a/2": "ready", "b/1": "ready"}
    assert house.lanes == ["a/2 classify", "b/1 classify"]


async def test_a_version_that_is_being_loaded_can_be_unloaded_by_hand(house: House, held: Held) -> None:
    held.names = {"a/3"}
    house.write("a/3")
    order = asyncio.create_task(house.watcher.load("a"))
    await until(lambda: house.states.get("a/3") == "loading")
    assert [str(model) for model in await house.watcher.unload("a", 3)] == ["a/3"]
    assert "a/3" not in house.states
    held.go_on.set()
    with pytest.raises(LoadFailed, match="a/3 was removed or unloaded while it was being loaded"):
        await order


async def test_a_replacement_that_cannot_be_loaded_leaves_what_serves(house: House) -> None:
    house.write("a/1", prefix="new ")
    house.break_("a/1")
    await house.look()
    model = house.repository.ready("a", 1)
    assert model.bundle.manifest.labels[0] == "0"
    assert not model.degraded
    assert "the bundle that is in its place now could not be loaded" in model.detail
    assert "certificate.json: changed since the export" in model.detail
    assert house.loads == [True, True, True, False]
    house.write("a/1")
    await house.look()
    assert (house.repository.ready("a", 1), model.detail) == (model, "")


async def test_files_that_could_not_be_loaded_by_hand_are_told_of_until_they_are_mended(house: House) -> None:
    house.break_("a/1")
    with pytest.raises(LoadFailed, match=r"certificate.json: changed"):
        await house.watcher.reload("a", 1)
    await house.look()
    model = house.repository.ready("a", 1)
    assert "certificate.json: changed since the export" in model.detail
    house.write("a/1")
    await house.look()
    assert (house.repository.ready("a", 1), model.detail) == (model, "")


async def test_what_failed_is_tried_again_when_it_has_been_mended(house: House) -> None:
    house.write("a/3", prefix="new ")
    house.break_("a/3")
    await house.look()
    await house.look()
    assert house.states["a/3"] == "failed"
    assert str(house.repository.ready("a", 0)) == "a/2"
    assert house.loads.count(False) == 1
    house.write("a/3", prefix="new ")
    await house.look()
    assert str(house.repository.ready("a", 0)) == "a/3"


async def test_a_copy_is_not_loaded_before_it_is_whole(house: House) -> None:
    whole = house.write("c/1")
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    (house.folder / "a/3/graphs").mkdir(parents=True)
    for file in files:
        shutil.copy(house.folder / "a/2" / file, house.folder / "a/3" / file)
        await house.watcher.look()
        assert "a/3" not in house.states
    await house.watcher.look()
    assert house.states["a/3"] == "failed", "its manifest says a/2"


@pytest.mark.parametrize("how", ["emptied", "gone"])
async def test_a_folder_that_goes_away_changes_nothing_and_is_told_of_once(house: House, how: str) -> None:
    aside = house.folder.rename(house.folder.parent / "aside")
    if how == "emptied":
        house.folder.mkdir()
    with capture_logs() as logs:
        for _ in range(4):
            await house.watcher.look()
    assert [entry["event"] for entry in logs] == ["the models folder is not followed; everything stays as it is"]
    assert len(house.states) == 3
    with pytest.raises(NotReady, match="cannot be read, or is empty"):
        await house.watcher.load("a")
    shutil.rmtree(house.folder, ignore_errors=True)
    aside.rename(house.folder)
    with capture_logs() as logs:
        await house.look()
    assert [entry["event"] for entry in logs] == ["the models folder is followed again"]


async def test_only_the_newest_are_kept_and_the_next_takes_over(tmp_path: Path) -> None:
    house = House(tmp_path, keep=1)
    await house.watcher.start()
    assert house.states == {"a/2": "ready", "b/1": "ready"}
    house.write("a/3")
    house.history.clear()
    await house.look()
    assert house.states == {"a/3": "ready", "b/1": "ready"}
    assert house.history[-1] == "a/3 ready"
    assert house.gone[0] == (("a", 2), False)
    shutil.rmtree(house.folder / "a/3")
    await house.look()
    assert str(house.repository.ready("a", 0)) == "a/2"
    assert await house.watcher.unloaded() == {("a", 1): "older than the 1 that are kept"}
    await house.watcher.unload("a")
    assert house.states == {"b/1": "ready"}, "all of a model means those too that would take the place"
    await house.close()


async def test_loading_unloading_and_reloading_by_hand(house: House) -> None:
    assert [str(model) for model in await house.watcher.unload("a")] == ["a/1", "a/2"]
    assert house.lanes == ["b/1 classify"]
    assert (("a", 1), True) in house.gone
    await house.look()
    assert house.states == {"b/1": "ready"}, "what was unloaded by hand stays so"
    assert str(await house.watcher.load("a")) == "a/2"
    (again,) = await house.watcher.reload("a")
    assert again is house.repository.ready("a", 0)
    assert await house.watcher.load("a", 2) is again, "it is served already"
    house.write("a/1", prefix="new ")
    await house.look()
    assert house.states["a/1"] == "ready", "its files have changed"


async def test_orders_that_cannot_be_carried_out(house: House) -> None:
    for order, wrong in (
        (lambda: house.watcher.load(""), "model: empty; accepted: the name of one in the models folder: a, b"),
        (lambda: house.watcher.load("c"), "model 'c' is not in the models folder; there is a, b"),
        (lambda: house.watcher.load("a", 7), "model 'a' has no version 7 in the models folder; there is 1, 2"),
        (lambda: house.watcher.unload("a", 7), "model 'a' has no version 7 on this server; there is 1, 2"),
    ):
        with pytest.raises((ModelNotFound, InvalidRequest), match=wrong):
            await order()
    house.write("a/1", prefix="new ")
    house.break_("a/1")
    with pytest.raises(
        LoadFailed, match=r"a/1 could not be loaded, and serves on as it was: .*certificate.json: changed"
    ):
        await house.watcher.reload("a", 1)
    house.write("a/3")
    house.break_("a/3")
    with pytest.raises(LoadFailed, match=r"model a/3 could not be loaded: .*certificate.json: changed"):
        await house.watcher.load("a")


async def test_an_order_goes_on_when_its_caller_has_gone(house: House) -> None:
    house.write("a/3")
    caller = asyncio.create_task(house.watcher.load("a"))
    while "a/3" not in house.states:  # noqa: ASYNC110 — to be in the middle of it
        await asyncio.sleep(0)
    caller.cancel()
    await until(lambda: house.states["a/3"] == "ready")


async def test_an_order_that_fails_when_its_caller_has_gone_is_no_surprise(house: House, held: Held) -> None:
    surprises: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
    held.names = {"a/3"}
    house.write("a/3")
    house.break_("a/3")
    caller = asyncio.create_task(house.watcher.load("a"))
    await until(lambda: house.states.get("a/3") == "loading")
    caller.cancel()
    await asyncio.wait((caller,))
    held.go_on.set()
    await until(lambda: not house.watcher._tasks)
    gc.collect()
    await asyncio.sleep(0)
    assert house.states["a/3"] == "failed"
    assert surprises == []


async def test_nothing_is_loaded_anew_unless_all_of_it_can_be(house: House) -> None:
    shutil.rmtree(house.folder / "a/2")
    with pytest.raises(ModelNotFound, match="model 'a' has no version 2 in the models folder; there is 1"):
        await house.watcher.reload("a")
    assert house.loads == [True] * 3


async def test_shutting_down_gives_up_a_load(house: House) -> None:
    house.write("a/3")
    order = asyncio.create_task(house.watcher.load("a"))
    while "a/3" not in house.states:  # noqa: ASYNC110 — to be in the middle of it
        await asyncio.sleep(0)
    await house.watcher.close()
    with pytest.raises(NotReady, match="shutting down"):
        await order
    with pytest.raises(NotReady, match="shutting down"):
        await house.watcher.unload("a")


async def test_a_folder_without_bundles_is_refused(tmp_path: Path) -> None:
    house = House(tmp_path)
    shutil.rmtree(house.folder)
    house.folder.mkdir()
    with pytest.raises(BundleError, match="no bundles in it"):
        await house.watcher.start()
    await house.close()


async def test_it_looks_by_itself(house: House) -> None:
    house.watcher.begin(0.02)
    house.write("b/2")
    await until(lambda: house.states.get("b/2") == State.READY.value)
