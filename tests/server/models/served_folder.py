"""A models folder that is served, with bundles that really run."""

import threading
from collections.abc import Callable
from pathlib import Path

from tests.bundle.copies import copy_bundle
from tests.server.models.bundles import write_bundle
from vitscope.bundle import Bundle, open_bundle
from vitscope.server.engines.choose import Wanted
from vitscope.server.models.control import ModelControl
from vitscope.server.models.key import ModelKey
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.reconcile import Reconciler
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel
from vitscope.server.models.watch import Watcher
from vitscope.server.scheduling.scheduler import Scheduler


class ServedFolder:
    """A folder with a/1, a/2 and b/1, and all that serves it but the transports.

    loads: of each load, whether the version was ready. removed: what the repository reported as removed (key, freed).
    history: each change of state.
    """

    def __init__(self, tmp_path: Path, keep: int = 0) -> None:
        self.source, self.path = write_bundle(tmp_path / "source", "a", 1, tmp_path), tmp_path / "models"
        self.scheduler = Scheduler()
        settings = EngineSettings(
            Wanted("onnxruntime", "auto", False), threads=1, max_batch=2, cache=tmp_path / "cache"
        )
        self.removed: list[tuple[ModelKey, bool]] = []
        self.repository = Repository(
            self.scheduler, settings, self._changed, lambda *removed: self.removed.append(removed)
        )
        self.loads: list[bool] = []
        self.history: list[str] = []
        self.reconciler = Reconciler(self.repository, self.path, keep, self.loads.append)
        self.watcher, self.control = Watcher(self.reconciler), ModelControl(self.reconciler)
        for name in ("a/1", "a/2", "b/1"):
            self.write(name)

    def _changed(self, model: ServedModel) -> None:
        self.history.append(f"{model} {model.state.value}")

    def write(self, name: str, prefix: str = "") -> Path:
        """Write a bundle whose labels begin with `prefix`; return its folder."""
        path = self.path / name
        copy_bundle(self.source, path, prefix)
        return path

    def damage(self, name: str) -> None:
        with (self.path / name / "certificate.json").open("a") as file:
            file.write(" ")

    async def follow(self) -> None:
        """Poll twice: a change counts when two polls agree."""
        await self.watcher.poll()
        await self.watcher.poll()

    @property
    def states(self) -> dict[str, str]:
        return {str(model): model.state.value for model in self.repository}

    @property
    def lanes(self) -> list[str]:
        return sorted(lane.name for lane in self.scheduler._dispatcher.lanes)

    async def close(self) -> None:
        await self.reconciler.close()
        self.scheduler.close()
        await self.repository.close()
        assert self.lanes == []


class BlockedLoads:
    """Loads of the versions in `names` block until `released` is set."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.released = threading.Event()

    def open_bundle(self, path: Path, proceed: Callable[[], None]) -> Bundle:
        if f"{path.parent.name}/{path.name}" in self.names:
            assert self.released.wait(30)
        return open_bundle(path, proceed)
