"""Loading, reloading and unloading models by hand."""

from collections.abc import Collection, Mapping

from vitscope.server.errors import InvalidRequest, LoadFailed, ModelNotFound, NotReady
from vitscope.server.models.key import ModelKey
from vitscope.server.models.reconcile import Reconciler
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.server.models.survey import Stamp


class ModelControl:
    """What an operator may ask for. A request goes on if its caller is cancelled. Used on the event loop only.

    All methods raise InvalidRequest for an empty name, ModelNotFound, and NotReady while the server shuts down.
    """

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler, self._repository, self._ledger = reconciler, reconciler.repository, reconciler.ledger

    async def load(self, name: str, version: int = 0) -> ServedModel:
        """Load a version (0: the latest in the folder), unless this very bundle is served already. Raises LoadFailed,
        and NotReady if the folder cannot be read."""
        return await self._reconciler.tasks.run(self._load(name, version))

    async def reload(self, name: str, version: int = 0) -> list[ServedModel]:
        """Load a version (0: all that are on the server) anew; it replaces the one that serves. Raises as `load`."""
        return await self._reconciler.tasks.run(self._reload(name, version))

    async def unload(self, name: str, version: int = 0) -> list[ServedModel]:
        """Stop serving a version (0: any) until it is loaded by hand or its files change. Returns what was freed."""
        return await self._reconciler.tasks.run(self._unload(name, version))

    async def unserved(self) -> dict[ModelKey, str]:
        """Return why it is not on the server, for each version in the folder that is not."""
        found = await self._reconciler.folder.survey_if_usable() or {}
        return {key: self._ledger.why_not_served(key) for key in sorted(found) if self._repository.get(key) is None}

    async def _load(self, name: str, version: int) -> ServedModel:
        async with self._reconciler.loading:
            async with self._reconciler.surveying:
                found = await self._survey()
                key = _select(found, name, version, "in the models folder")[-1]
                self._request_load(key, found)
            await self._reconciler.reconcile(name)
            return self._loaded(key)

    async def _reload(self, name: str, version: int) -> list[ServedModel]:
        async with self._reconciler.loading:
            async with self._reconciler.surveying:
                found = await self._survey()
                keys = _select(self._ledger.known(), name, version, "on this server")
                for key in keys:
                    _select(found, name, key.version, "in the models folder")
                for key in keys:
                    self._request_load(key, found)
            for key in keys:
                if self._ledger.wants(key):  # else it was removed or unloaded meanwhile
                    await self._reconciler.load(key)
            await self._reconciler.reconcile(name)
            return [self._loaded(key) for key in keys]

    async def _unload(self, name: str, version: int) -> list[ServedModel]:
        keys = _select([model.key for model in self._repository], name, version, "on this server")
        models = [model for key in keys if (model := self._repository.get(key))]
        # Version 0 includes versions that are only in the folder: they would take the places that become free.
        for key in keys if version else [key for key in self._ledger.folder if key.name == name]:
            self._ledger.request_unload(key)
        self._reconciler.retire_unwanted()
        if any(self._repository.get(model.key) is model for model in models):
            async with self._reconciler.loading:
                await self._reconciler.reconcile(name)
        await self._repository.wait_freed(models)
        return models

    async def _survey(self) -> dict[ModelKey, Stamp]:
        found = await self._reconciler.folder.survey_if_usable()
        if found is None:
            path = self._reconciler.folder.path
            raise NotReady(f"the models folder {path} cannot be read, or is empty; see the server's log")
        return found

    def _request_load(self, key: ModelKey, found: Mapping[ModelKey, Stamp]) -> None:
        self._ledger.confirm(key, found[key])
        self._ledger.request_load(key)

    def _loaded(self, key: ModelKey) -> ServedModel:
        """Return what serves under this key. Raises LoadFailed if nothing does, or not what was to be loaded."""
        model = self._repository.get(key)
        if model is None:
            raise LoadFailed(f"model {key} was removed or unloaded while it was being loaded")
        if model.status.outdated:
            raise LoadFailed(f"model {model} could not be loaded, and serves on as it was: {model.status.outdated}")
        if model.state is not State.READY:
            raise LoadFailed(f"model {model} could not be loaded: {model.detail}")
        return model


def _select(keys: Collection[ModelKey], name: str, version: int, where: str) -> list[ModelKey]:
    """Return this version of `keys`, or all of the model (0), oldest first. Raises InvalidRequest, ModelNotFound."""
    names = ", ".join(sorted({key.name for key in keys})) or "none"
    if not name:
        raise InvalidRequest("model", "empty", f"the name of one {where}: {names}")
    versions = sorted(key for key in keys if key.name == name)
    if not versions:
        raise ModelNotFound(f"model {name!r} is not {where}; there is {names}")
    if version and (name, version) not in versions:
        there = ", ".join(str(key.version) for key in versions)
        raise ModelNotFound(f"model {name!r} has no version {version} {where}; there is {there}")
    return [ModelKey(name, version)] if version else versions
