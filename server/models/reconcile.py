"""Takes the steps that the ledger decides on."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from vitscope.server.models.folder import ModelsFolder
from vitscope.server.models.key import ModelKey
from vitscope.server.models.ledger import Ledger
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.server.models.tasks import Tasks

log = structlog.get_logger()


class Reconciler:
    """Loads, replaces and retires versions of the models folder. Used on the event loop only.

    keep: serve the newest `keep` versions of each model, 0 all. on_load: called after each load with whether the
    version is ready.

    Loads run one after another. A version that need not wait for a load is retired at once, even during one; if it is
    the version being loaded, the load is abandoned. A new version is loaded beside those that serve. A version that is
    replaced or retired answers the requests it has, and is then freed.
    """

    def __init__(
        self,
        repository: Repository,
        folder: Path,
        keep: int = 0,
        on_load: Callable[[bool], None] = lambda ready: None,
    ) -> None:
        self.repository, self.folder, self.ledger = repository, ModelsFolder(folder), Ledger(keep)
        self.tasks = Tasks()
        """The work of the watcher and of the model control."""
        self.loading, self.surveying = asyncio.Lock(), asyncio.Lock()
        """Held during a load; held from a survey of the folder until the ledger has it. `loading` is taken first."""
        self._on_load = on_load

    async def reconcile(self, name: str | None = None, starting: bool = False) -> None:
        """Take all steps of the ledger, for one model or all. The caller holds `loading`.

        starting: no version waits for an engine that has to be built while another engine could serve it.
        """
        self.retire_unwanted()
        while loads := [step.key for step in self.ledger.steps(name) if step.kind == "load"]:
            for key in loads:
                if self.repository.get(key) is None:
                    self.repository.replace(self._create(key))  # seen as loading while it waits for its turn
            await self.load(loads[0], starting)
            self.retire_unwanted()

    async def load(self, key: ModelKey, starting: bool = False) -> None:
        """Load a version of the folder, beside what serves under the same key. The caller holds `loading`."""
        stamp, before = self.ledger.folder[key], self.repository.get(key)
        replaces = before is not None and before.state is State.READY
        model = before if before and before.state is State.LOADING else self._create(key)
        if not replaces and model is not before:
            self.repository.replace(model)
        await model.load(wait_for_build=not starting and self._another_serves(key.name))
        if self.repository.get(key) is None:  # it was retired meanwhile
            if replaces:
                self.repository.retire(model)
            return
        ready = model.state is State.READY
        self._on_load(ready)
        if ready:
            self.ledger.loaded(key, stamp)
            log.info("model loaded", model=str(model), engine=str(model.identity), replaces_another=replaces)
            if replaces:
                self.repository.replace(model)
        else:
            self.ledger.load_failed(key, stamp)
            if replaces and before:
                before.status.set_outdated(model.detail, model.status.public)
                self.repository.retire(model)

    def retire_unwanted(self) -> None:
        """Retire all versions that need not wait for a load."""
        while keys := [step.key for step in self.ledger.steps() if step.kind == "retire"]:
            self._retire(keys[0])
        known = self.ledger.known()
        for model in list(self.repository):
            # Versions that wait for a load, or are being loaded, are not in the ledger.
            if model.key not in known and not self.ledger.wants(model.key):
                self._retire(model.key)
            elif model.status.outdated and model.key not in self.ledger.failed:
                model.status.set_outdated("")

    async def close(self) -> None:
        """Abandon loads and refuse further requests by hand."""
        await self.tasks.close()

    def _retire(self, key: ModelKey) -> None:
        self.ledger.retired(key)
        log.info("model unloaded", model=str(key))
        model = self.repository.get(key)
        if model is not None:
            self.repository.retire(model)

    def _create(self, key: ModelKey) -> ServedModel:
        return self.repository.create(self.folder.path_of(key))

    def _another_serves(self, name: str) -> bool:
        """Return whether a version of the model serves and may do so until the best engine for another one is built."""
        serving = (model.key for model in self.repository if model.name == name and model.state is State.READY)
        return any(not self.ledger.withdrawn(key) for key in serving)
