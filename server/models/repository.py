"""All model versions of this server, by name and version."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import structlog

from vitscope.server.errors import InvalidRequest, ModelNotFound, NotReady
from vitscope.server.models.key import ModelKey
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.server.scheduling.scheduler import Scheduler

log = structlog.get_logger()


class Repository:
    """An index of model versions.

    on_change: called after each change of a version in the index, and when one enters it. on_removed: called twice for
    a version that leaves it: as soon as requests no longer find it, and when nothing of it is left (`freed`). Used on
    the event loop only.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        settings: EngineSettings,
        on_change: Callable[[ServedModel], None],
        on_removed: Callable[[ModelKey, bool], None] = lambda key, freed: None,
    ) -> None:
        self._scheduler, self._settings, self._on_change, self._on_removed = scheduler, settings, on_change, on_removed
        self._models: dict[ModelKey, ServedModel] = {}
        self._ordered: list[ServedModel] = []
        self._by_name: dict[str, list[ServedModel]] = {}
        self._unfreed: set[ServedModel] = set()
        """All that may hold an engine, in the index or not."""
        self._retiring: dict[ServedModel, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[ServedModel]:
        """Iterate over all versions, ready or not, ordered by name and then version."""
        return iter(self._ordered)

    def get(self, key: ModelKey) -> ServedModel | None:
        """Return exactly this version, in whatever state."""
        return self._models.get(key)

    def find(self, name: str, version: int) -> ServedModel:
        """Return a version in whatever state. Version 0 is the latest that is ready, or the latest if none is.

        An empty name means the only model there is. Raises InvalidRequest, ModelNotFound.
        """
        if not name:
            if len(self._by_name) != 1:
                several = f"one of {', '.join(self._by_name)}, since this server has several"
                raise InvalidRequest("model", "empty", several if self._by_name else "none: this server has no model")
            (name,) = self._by_name
        versions = self._by_name.get(name)
        if not versions:
            raise ModelNotFound(f"model {name!r} is not served here; there is {', '.join(self._by_name) or 'none'}")
        if version:
            model = self._models.get(ModelKey(name, version))
            if model is None:
                found = ", ".join(str(model.version) for model in versions)
                raise ModelNotFound(f"model {name!r} has no version {version}; there is {found}")
            return model
        return next((m for m in reversed(versions) if m.state is State.READY), versions[-1])

    def ready(self, name: str, version: int) -> ServedModel:
        """Return a version as `find` does, if it is ready to serve. Raises NotReady otherwise."""
        model = self.find(name, version)
        if model.state is not State.READY:
            raise NotReady(f"model {model} is {model.state.value}: {model.status.public}")
        return model

    def create(self, path: Path) -> ServedModel:
        """Return a new version that is not loaded, and not in the index."""
        model = ServedModel(path, self._scheduler, self._settings, self._changed)
        self._unfreed.add(model)
        return model

    def replace(self, model: ServedModel) -> None:
        """Put a version into the index. Another one under the same key is replaced, and retires."""
        before = self._models.get(model.key)
        self._models[model.key] = model
        self._sort()
        self._on_change(model)
        if before:
            self.retire(before)

    def retire(self, model: ServedModel) -> asyncio.Task[None]:
        """Remove a version from the index, if it is there, and free it when nobody holds its lease. Returns the task
        that does."""
        if self._models.get(model.key) is model:
            del self._models[model.key]
            self._sort()
            self._on_removed(model.key, False)
        task = self._retiring[model] = asyncio.create_task(self._retire(model))
        task.add_done_callback(lambda _: self._retiring.pop(model, None))
        return task

    async def wait_freed(self, models: Iterable[ServedModel]) -> None:
        """Wait until those of these versions that retire are freed."""
        await asyncio.gather(*[self._retiring[model] for model in models if model in self._retiring])

    async def close(self) -> None:
        """Free everything; the scheduler has been closed."""
        for model in self._unfreed:
            model.free()
        await asyncio.gather(*self._retiring.values())
        self._unfreed.clear()
        self._models.clear()
        self._sort()

    async def _retire(self, model: ServedModel) -> None:
        try:
            await model.retire()
        except Exception as error:
            log.error("model could not be freed", model=str(model), exc_info=error)
        self._unfreed.discard(model)
        if all(other.key != model.key for other in self._unfreed):
            self._on_removed(model.key, True)

    def _changed(self, model: ServedModel) -> None:
        if self._models.get(model.key) is model:
            self._on_change(model)

    def _sort(self) -> None:
        """Sort the index whenever it changes, so that no request has to."""
        self._ordered = [self._models[key] for key in sorted(self._models)]
        self._by_name = {}
        for model in self._ordered:
            self._by_name.setdefault(model.name, []).append(model)
