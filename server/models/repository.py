"""All model versions of this server, by name and version."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import structlog

from vitscope.server.errors import InvalidRequest, ModelNotFound, NotReady
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.served import ServedModel, State
from vitscope.server.models.survey import Key
from vitscope.server.scheduling.scheduler import Scheduler

log = structlog.get_logger()


class Repository:
    """An index of model versions. What is taken out of it is freed when the requests that have it are answered.

    on_change: told of each change of a version that is in the index, and when one is put there. on_gone: told of versions
    that have been taken out, twice: as soon as requests do not find them any more, then when nothing of them is left
    (`freed`). Used on the event loop only.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        settings: EngineSettings,
        on_change: Callable[[ServedModel], None],
        on_gone: Callable[[Key, bool], None] = lambda key, freed: None,
    ) -> None:
        self._scheduler, self._settings, self._on_change, self._on_gone = scheduler, settings, on_change, on_gone
        self._models: dict[Key, ServedModel] = {}
        self._ordered: list[ServedModel] = []
        self._by_name: dict[str, list[ServedModel]] = {}
        self._made: set[ServedModel] = set()
        """All that may hold an engine, in the index or not."""
        self._retiring: dict[ServedModel, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version, ready or not, ordered by name and then version."""
        return iter(self._ordered)

    def get(self, key: Key) -> ServedModel | None:
        """Exactly this version, in whatever state."""
        return self._models.get(key)

    def find(self, name: str, version: int) -> ServedModel:
        """A version in whatever state it is. Version 0 is the latest that is ready, or the latest if none is.

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
            model = self._models.get((name, version))
            if model is None:
                found = ", ".join(str(model.version) for model in versions)
                raise ModelNotFound(f"model {name!r} has no version {version}; there is {found}")
            return model
        return next((m for m in reversed(versions) if m.state is State.READY), versions[-1])

    def ready(self, name: str, version: int) -> ServedModel:
        """As `find`, but ready to serve. Raises NotReady otherwise."""
        model = self.find(name, version)
        if model.state is not State.READY:
            raise NotReady(f"model {model} is {model.state.value}: {model.detail}")
        return model

    def make(self, path: Path) -> ServedModel:
        """A model version that is not loaded, and not in the index."""
        model = ServedModel(path, self._scheduler, self._settings, self._changed)
        self._made.add(model)
        return model

    def put(self, model: ServedModel) -> None:
        """Into the index, in the place of another of the same version if there is one, which retires."""
        before = self._models.get(model.key)
        self._models[model.key] = model
        self._index()
        self._on_change(model)
        if before:
            self.retire(before)

    def take(self, key: Key) -> asyncio.Task[None]:
        """Out of the index; returns what ends when it has been freed."""
        model = self._models.pop(key)
        self._index()
        self._on_gone(key, False)
        return self.retire(model)

    def retire(self, model: ServedModel) -> asyncio.Task[None]:
        """Free a model that is not, or no more, in the index, when the requests that have it are answered."""
        task = self._retiring[model] = asyncio.create_task(self._retire(model))
        task.add_done_callback(lambda _: self._retiring.pop(model, None))
        return task

    async def freed(self, models: Iterable[ServedModel]) -> None:
        """Wait until nothing is left of those of these models that retire."""
        await asyncio.gather(*[self._retiring[model] for model in models if model in self._retiring])

    async def close(self) -> None:
        """Free everything; the scheduler has been closed."""
        for model in self._made:
            model.unload()
        await asyncio.gather(*self._retiring.values())
        self._made.clear()
        self._models.clear()
        self._index()

    async def _retire(self, model: ServedModel) -> None:
        try:
            await model.retire()
        except Exception as error:
            log.error("model could not be freed", model=str(model), exc_info=error)
        self._made.discard(model)
        if all(other.key != model.key for other in self._made):
            self._on_gone(model.key, True)

    def _changed(self, model: ServedModel) -> None:
        if self._models.get(model.key) is model:
            self._on_change(model)

    def _index(self) -> None:
        """Sorted here, so that no request has to."""
        self._ordered = [self._models[key] for key in sorted(self._models)]
        self._by_name = {}
        for model in self._ordered:
            self._by_name.setdefault(model.name, []).append(model)
