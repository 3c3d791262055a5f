"""All model versions of this server, by name and version."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from bundle import BundleError, discover
from server.errors import InvalidRequest, ModelNotFound, NotReady
from server.models.loader import EngineSettings
from server.models.served import ServedModel, State
from server.scheduling.scheduler import Scheduler


class Repository:
    """Model versions found in a folder. Used on the event loop only."""

    def __init__(
        self, scheduler: Scheduler, settings: EngineSettings, on_change: Callable[[ServedModel], None]
    ) -> None:
        self._scheduler, self._settings, self._on_change = scheduler, settings, on_change
        self._models: dict[tuple[str, int], ServedModel] = {}

    def __iter__(self) -> Iterator[ServedModel]:
        """Every version, ready or not, ordered by name and then version."""
        return iter([self._models[key] for key in sorted(self._models)])

    async def load_all(self, folder: Path) -> None:
        """Load every bundle of a models folder, one after another (each uses all threads while it warms up).

        Raises BundleError when the folder is missing or holds no bundle. A bundle that cannot be loaded is kept in state
        FAILED, and the others are served.
        """
        paths = discover(folder)
        if not paths:
            raise BundleError(f"{folder}: no bundles in it; expected {folder}/<name>/<version>/manifest.json")
        for path in paths:
            model = ServedModel(path, self._scheduler, self._settings, self._on_change)
            self._models[model.name, model.version] = model
        for model in self:
            await model.load()

    def find(self, name: str, version: int) -> ServedModel:
        """A version in whatever state it is. Version 0 is the latest that is ready, or the latest if none is.

        An empty name means the only model there is. Raises InvalidRequest, ModelNotFound.
        """
        names = sorted({model.name for model in self})
        if not name:
            if len(names) != 1:
                raise InvalidRequest("model", "empty", f"one of {', '.join(names)}, since this server has several")
            name = names[0]
        versions = [model for model in self if model.name == name]
        if not versions:
            raise ModelNotFound(f"model {name!r} is not served here; there is {', '.join(names) or 'none'}")
        if version:
            for model in versions:
                if model.version == version:
                    return model
            found = ", ".join(str(model.version) for model in versions)
            raise ModelNotFound(f"model {name!r} has no version {version}; there is {found}")
        return next((m for m in reversed(versions) if m.state is State.READY), versions[-1])

    def ready(self, name: str, version: int) -> ServedModel:
        """As `find`, but ready to serve. Raises NotReady otherwise."""
        model = self.find(name, version)
        if model.state is not State.READY:
            raise NotReady(f"model {model} is {model.state.value}: {model.detail}")
        return model

    async def close(self) -> None:
        for model in self:
            model.unload()
        self._models.clear()
        await asyncio.sleep(0)  # lets cancelled loads end
