"""One version of one model, from loading to freeing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from vitscope.bundle import CLASSIFY, Bundle, BundleError, CertificateEntry, GraphName, open_bundle
from vitscope.bundle.reader import versions
from vitscope.server.engines.choose import Choice, NoEngine
from vitscope.server.engines.contract import Identity
from vitscope.server.engines.load import preload
from vitscope.server.errors import NotReady
from vitscope.server.host.incidents import new_id, see_log
from vitscope.server.models.errors import LoadAbandoned, without_folder
from vitscope.server.models.key import ModelKey
from vitscope.server.models.lanes import GraphLanes
from vitscope.server.models.loader import EngineSettings, Loader
from vitscope.server.models.pixels import PixelPath, pixel_path
from vitscope.server.models.status import State, Status
from vitscope.server.models.upgrade import open_better
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.lease import Lease
from vitscope.server.scheduling.scheduler import Scheduler

log = structlog.get_logger()


class ServedModel:
    """A bundle on its engine. `on_change` is called after each change of `status`. Used on the event loop only."""

    def __init__(
        self, path: Path, scheduler: Scheduler, settings: EngineSettings, on_change: Callable[["ServedModel"], None]
    ) -> None:
        self.path, self.key = path, ModelKey.of(path)
        self.name, self.version = self.key
        self.status = Status(lambda: on_change(self))
        self._scheduler, self._settings = scheduler, settings
        self._lease = Lease()
        self._bundle: Bundle | None = None
        self._pixels: PixelPath | None = None
        self._lanes: GraphLanes | None = None
        self._upgrading: asyncio.Task[None] | None = None
        self._stopping = False

    def __str__(self) -> str:
        return str(self.key)

    @property
    def state(self) -> State:
        return self.status.state

    @property
    def detail(self) -> str:
        return self.status.detail

    @property
    def degraded(self) -> bool:
        return self.status.degraded

    @property
    def bundle(self) -> Bundle:
        """The opened bundle. Raises NotReady while it is loading or when it could not be opened."""
        if self._bundle is None:
            raise NotReady(f"model {self} is {self.state.value}: {self.status.public}")
        return self._bundle

    @property
    def pixels(self) -> PixelPath:
        """How its images become pixels. Raises NotReady like `bundle`."""
        if self._pixels is None:
            settings = self._settings
            self._pixels = pixel_path(self.bundle.certificate, settings.decoding, settings.wanted.allow_uncertified)
        return self._pixels

    @property
    def choice(self) -> Choice | None:
        return self._lanes.loader.choice if self._lanes else None

    @property
    def gates(self) -> dict[GraphName, CertificateEntry]:
        """Results of the gate on this machine by open graph; empty for an engine that is not gated."""
        return self._lanes.loader.gates if self._lanes else {}

    @property
    def identity(self) -> Identity | None:
        """The engine of the classify graph, the one that is always loaded; None unless it is open."""
        lane = self.open_lane(CLASSIFY)
        return lane.engine.identity if lane else None

    @property
    def costs(self) -> dict[int, float]:
        """Seconds by batch size under load, measured at warm-up, of the classify graph."""
        lane = self.open_lane(CLASSIFY)
        return dict(lane.costs[-1].measured) if lane else {}

    @property
    def best_batch(self) -> int:
        """Largest batch that the classify graph is run with; 0 unless it is open."""
        lane = self.open_lane(CLASSIFY)
        return lane.best_batch if lane else 0

    @property
    def open_lanes(self) -> list[Lane]:
        return self._lanes.open_lanes if self._lanes else []

    def open_lane(self, graph: GraphName) -> Lane | None:
        """Return the lane of a graph if it is open."""
        return self._lanes.find(graph) if self._lanes else None

    async def lane(self, graph: GraphName) -> Lane:
        """Return the lane of a graph, which is opened when it is first asked for. Raises as `GraphLanes.open`."""
        while (lanes := self._lanes) is not None:
            lane = await lanes.open(graph)
            if lanes is self._lanes:  # else a better engine has taken over
                return lane
        raise NotReady(f"model {self} is being unloaded")

    def lease(self) -> Lease:
        """Hold the model (`with`): it is not freed meanwhile, and its lanes may be asked for."""
        return self._lease

    async def load(self, wait_for_build: bool = False) -> None:
        """Verify the bundle, choose the fastest engine, compile the classify graph and warm it up.

        wait_for_build: become ready only on the best engine, even if building it takes minutes and another one could
        serve meanwhile. Raises nothing: failure is a state. Cancelled, it abandons the load as soon as the engine
        allows.
        """
        self.status.set(State.LOADING, "verifying, compiling and warming up")
        try:
            bundle, loader = await self._open(wait_for_build)
        except asyncio.CancelledError:
            self._stopping = True  # the thread that compiles cannot be cancelled, but it asks
            raise
        except (BundleError, LoadAbandoned) as error:
            self._fail(str(error), public=without_folder(error, self.path))
        except NoEngine as error:
            self._fail(str(error), public="no engine of this server can serve it")
        except Exception as error:
            self._fail(f"the engine could not load it: {error}", public="the engine could not load it")
        else:
            if loader.postponed:
                self.status.set(State.READY, f"served by {self.identity} until a better engine is built")
                self._upgrading = asyncio.create_task(self._upgrade(bundle, loader.choice))
            else:
                self.status.set(State.READY)

    async def retire(self) -> None:
        """Free everything when nobody holds the lease, or it is revoked. Nobody may be given the model any more."""
        self._stopping = True
        await self._lease.wait_released()
        if self._lanes:
            await self._lanes.retire()
            self._lanes = None
        if self._upgrading:
            await asyncio.wait((self._upgrading,))

    def free(self) -> None:
        """Free everything now, whoever uses it: the server stops, and its scheduler is closed."""
        self._stopping = True
        self._lease.revoke()
        if self._upgrading:
            self._upgrading.cancel()
        if self._lanes:
            self._lanes.free()
            self._lanes = None

    async def _open(self, wait_for_build: bool) -> tuple[Bundle, Loader]:
        # Hashing runs without the interpreter's lock, importing an engine holds it.
        if self.key.is_unreadable:
            await asyncio.to_thread(versions, self.path.parent)  # raises BundleError
        bundle, _ = await asyncio.gather(
            asyncio.to_thread(open_bundle, self.path, self._refuse_if_stopping),
            asyncio.to_thread(preload, self._settings.wanted.engine),
        )
        found = ModelKey(bundle.manifest.name, bundle.manifest.version)
        if found != self.key:
            raise BundleError(f"{self.path}: its manifest says {found}, its folder {self}")
        self._bundle = bundle
        # An operator who asks for an engine by name gets no other one meanwhile.
        wait_for_build = wait_for_build or self._settings.wanted.engine != "auto"
        loader = await asyncio.to_thread(Loader, bundle, self._settings, lambda: self._stopping, wait_for_build)
        self._refuse_if_stopping()
        self._lanes = GraphLanes(self.key, loader, self._scheduler, self._settings.idle_seconds)
        if not loader.choice.certified:
            log.warning("model is not certified", model=str(self), reason=loader.choice.reason)
        log.info("pixels chosen", model=str(self), decoding=self.pixels.decoding, why=self.pixels.reason)
        await self.lane(CLASSIFY)
        self._refuse_if_stopping()
        return bundle, loader

    def _refuse_if_stopping(self) -> None:
        """Raise LoadAbandoned if the model was retired while a thread was at work."""
        if self._stopping:
            raise LoadAbandoned(f"model {self} is being unloaded")

    async def _upgrade(self, bundle: Bundle, serving: Choice) -> None:
        """Replace the engine by a better one when that is built; no request is lost."""
        try:
            better = await open_better(bundle, serving, self._settings, self._scheduler, lambda: self._stopping)
        except Exception as error:
            if not self._stopping:
                log.error("no better engine could be built", model=str(self), reason=str(error))
                served = f"served by {self.identity}; no better engine could be built"
                self.status.set(State.READY, f"{served}: {error}", public=served)
            return
        before, self._lanes = self._lanes, better
        self.status.set(State.READY)
        if before:
            await before.retire()

    def _fail(self, detail: str, public: str) -> None:
        error_id = new_id()
        if self._stopping:
            log.info("load given up", model=str(self), reason=detail)
        else:
            log.error("model failed to load", model=str(self), reason=detail, error_id=error_id)
        self.status.set(State.FAILED, detail, see_log(public, error_id))
