"""Keeps what is served like the models folder, and loads and unloads by hand."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import structlog

from vitscope.bundle import BundleError
from vitscope.server.errors import InvalidRequest, LoadFailed, ModelNotFound, NotReady
from vitscope.server.models.ledger import Ledger
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel, State
from vitscope.server.models.survey import Key, Stamp, survey

log = structlog.get_logger()

T = TypeVar("T")


class Watcher:
    """Loads, replaces and lets go of versions. Used on the event loop only.

    keep: serve the newest so many versions of each model, 0 all. loaded: told of each load that ended, whether the version is
    ready. Loads come one after another; what no load has to come before is let go of at once, even while one is under
    way, which is given up if it is for that version. A new version is loaded beside those that serve; what is replaced or let
    go answers what it has, and is then freed. A folder that cannot be read, or is suddenly empty, changes nothing: it may be a
    mount that has gone away.
    """

    def __init__(
        self, repository: Repository, folder: Path, keep: int = 0, loaded: Callable[[bool], None] = lambda ready: None
    ) -> None:
        self._repository, self._folder, self._loaded = repository, folder, loaded
        self._ledger = Ledger(keep)
        self._looking, self._loading = asyncio.Lock(), asyncio.Lock()
        """From a look to what the ledger makes of it; all loads. The first is never held while the second is waited for."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._blind = self._closed = self._started = False

    async def start(self) -> None:
        """Load what the folder holds. Raises BundleError when it is missing, cannot be read or holds no bundle; one that cannot
        be loaded is kept in state FAILED."""
        async with self._loading:
            async with self._looking:
                found = await asyncio.to_thread(survey, self._folder)
                if not found:
                    raise BundleError(
                        f"{self._folder}: no bundles in it; expected {self._folder}/<name>/<version>/manifest.json"
                    )
                self._ledger.looked(found)
            await self._follow()
        self._started = True

    def begin(self, seconds: float) -> None:
        """Look at the folder every so many seconds from now on."""
        self._spawn(self._watch(seconds))

    async def look(self) -> None:
        """Look at the folder once, and do what follows from this look and the one before."""
        await self._look()
        await self._catch_up()

    async def load(self, name: str, version: int = 0) -> ServedModel:
        """Load a version (0: the latest in the folder), unless this very bundle is served already. Raises ModelNotFound, NotReady
        when the folder cannot be read, LoadFailed. This and what follows goes on when its caller is cancelled."""
        return await self._carry_out(self._load_by_hand(name, version))

    async def reload(self, name: str, version: int = 0) -> list[ServedModel]:
        """Load a version (0: all that there are on the server) anew, which replaces the one that serves. Raises as `load`."""
        return await self._carry_out(self._reload_by_hand(name, version))

    async def unload(self, name: str, version: int = 0) -> list[ServedModel]:
        """Serve a version (0: any) no more until it is loaded by hand or its files change. Returns what has been freed. Raises
        ModelNotFound."""
        return await self._carry_out(self._unload_by_hand(name, version))

    async def unloaded(self) -> dict[Key, str]:
        """Why each version of the folder is not on the server, of those that are not."""
        found = await self._survey() or {}
        return {key: self._ledger.why_not(key) for key in sorted(found) if self._repository.get(key) is None}

    async def close(self) -> None:
        """Give up what is being carried out, and take no more orders."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _load_by_hand(self, name: str, version: int) -> ServedModel:
        async with self._loading:
            async with self._looking:
                found = await self._look_now()
                key = _pick(found, name, version, "in the models folder")[-1]
                self._ask_for(key, found)
            await self._follow(name)
            return self._ready(key)

    async def _reload_by_hand(self, name: str, version: int) -> list[ServedModel]:
        async with self._loading:
            async with self._looking:
                found = await self._look_now()
                keys = _pick(self._ledger.known(), name, version, "on this server")
                for key in keys:
                    _pick(found, name, key[1], "in the models folder")
                for key in keys:
                    self._ask_for(key, found)
            for key in keys:
                if self._ledger.wants(key):  # else it has been let go of meanwhile
                    await self._load(key)
            await self._follow(name)
            return [self._ready(key) for key in keys]

    async def _unload_by_hand(self, name: str, version: int) -> list[ServedModel]:
        keys = _pick([model.key for model in self._repository], name, version, "on this server")
        models = [model for key in keys if (model := self._repository.get(key))]
        # All of a model means those too that are only in the folder: they would take the places that become free.
        for key in keys if version else [key for key in self._ledger.folder if key[0] == name]:
            self._ledger.hold(key)
        self._let_go()
        if any(self._repository.get(model.key) is model for model in models):
            await self._catch_up(name)
        await self._repository.freed(models)
        return models

    def _ask_for(self, key: Key, found: Mapping[Key, Stamp]) -> None:
        self._ledger.take(key, found[key])
        self._ledger.ask_for(key)

    async def _look(self) -> None:
        async with self._looking:
            found = await self._survey()
            if found is not None:
                self._ledger.looked(found)
        self._let_go()

    async def _look_now(self) -> dict[Key, Stamp]:
        found = await self._survey()
        if found is None:
            raise NotReady(f"the models folder {self._folder} cannot be read, or is empty; see the server's log")
        return found

    async def _survey(self) -> dict[Key, Stamp] | None:
        """None when the folder says nothing; that is logged once."""
        try:
            found, why = await asyncio.to_thread(survey, self._folder), "it is empty"
        except BundleError as error:
            found, why = {}, str(error)
        if not found and not self._blind:
            log.warning(
                "the models folder is not followed; everything stays as it is", folder=str(self._folder), reason=why
            )
        elif found and self._blind:
            log.info("the models folder is followed again", folder=str(self._folder))
        self._blind = not found
        return found or None

    def _let_go(self) -> None:
        """Let go of all that no load has to come before."""
        while drops := [step.key for step in self._ledger.steps() if step.kind == "drop"]:
            self._drop(drops[0])
        known = self._ledger.known()
        for model in list(self._repository):
            # The ledger does not know what waits to be loaded, or is being loaded.
            if model.key not in known and not self._ledger.wants(model.key):
                self._drop(model.key)
            elif model.outdated and model.key not in self._ledger.failed:
                model.set_outdated("")

    async def _catch_up(self, name: str | None = None) -> None:
        async with self._loading:
            await self._follow(name)

    async def _follow(self, name: str | None = None) -> None:
        """Take all steps that there are, loading those of one model or of all."""
        self._let_go()
        while loads := [step.key for step in self._ledger.steps(name) if step.kind == "load"]:
            for key in loads:
                if self._repository.get(key) is None:
                    self._repository.put(self._make(key))
            await self._load(loads[0])
            self._let_go()

    async def _load(self, key: Key) -> None:
        stamp, before = self._ledger.folder[key], self._repository.get(key)
        beside = before is not None and before.state is State.READY
        model = before if before and before.state is State.LOADING else self._make(key)
        if not beside and model is not before:
            self._repository.put(model)
        await model.load(patient=self._may_wait(key[0]))
        if self._repository.get(key) is None:  # let go of meanwhile
            if beside:
                self._repository.retire(model)
            return
        ready = model.state is State.READY
        self._loaded(ready)
        if ready:
            self._ledger.loaded(key, stamp)
            log.info("model loaded", model=str(model), engine=str(model.identity), replaces_another=beside)
            if beside:
                self._repository.put(model)
        else:
            self._ledger.load_failed(key, stamp)
            if beside and before:
                before.set_outdated(model.detail)
                self._repository.retire(model)

    def _may_wait(self, name: str) -> bool:
        """Whether a version of this model serves, and may go on while the best engine for another is built. At start-up each version
        serves as soon as it can."""
        serving = (model.key for model in self._repository if model.name == name and model.state is State.READY)
        return self._started and any(not self._ledger.gone(key) for key in serving)

    def _drop(self, key: Key) -> None:
        self._ledger.dropped(key)
        log.info("model unloaded", model=f"{key[0]}/{key[1]}")
        self._repository.take(key)

    def _make(self, key: Key) -> ServedModel:
        return self._repository.make(self._folder / key[0] / str(key[1]))

    def _ready(self, key: Key) -> ServedModel:
        """What serves under this key. Raises LoadFailed where nothing does, or not what was to be loaded."""
        model = self._repository.get(key)
        if model is None:
            raise LoadFailed(f"model {key[0]}/{key[1]} was removed or unloaded while it was being loaded")
        if model.outdated:
            raise LoadFailed(f"model {model} could not be loaded, and serves on as it was: {model.outdated}")
        if model.state is not State.READY:
            raise LoadFailed(f"model {model} could not be loaded: {model.detail}")
        return model

    async def _watch(self, seconds: float) -> None:
        """Looks go on while something is being loaded."""
        loads: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(seconds)
            await _logged(self._look)
            if loads is None or loads.done():
                loads = self._spawn(_logged(self._catch_up))

    async def _carry_out(self, order: Coroutine[Any, Any, T]) -> T:
        if self._closed:
            order.close()
            raise NotReady("the server is shutting down")
        task = self._spawn(order)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise NotReady("the server is shutting down") from None
            raise

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # asked for here, as the caller may have left


async def _logged(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await work()
    except Exception as error:
        log.error("the models folder could not be followed", exc_info=error)


def _pick(keys: Collection[Key], name: str, version: int, where: str) -> list[Key]:
    """This version of `keys`, or all of the model (0), oldest first. Raises InvalidRequest, ModelNotFound."""
    names = ", ".join(sorted({key[0] for key in keys})) or "none"
    if not name:
        raise InvalidRequest("model", "empty", f"the name of one {where}: {names}")
    versions = sorted(key for key in keys if key[0] == name)
    if not versions:
        raise ModelNotFound(f"model {name!r} is not {where}; there is {names}")
    if version and (name, version) not in versions:
        there = ", ".join(str(key[1]) for key in versions)
        raise ModelNotFound(f"model {name!r} has no version {version} {where}; there is {there}")
    return [(name, version)] if version else versions
