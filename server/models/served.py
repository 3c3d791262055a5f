"""One version of one model, from loading to unloading."""

import asyncio
import time
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path

import structlog

from vitscope.bundle import CLASSIFY, Bundle, BundleError, CertificateEntry, GraphName, open_bundle
from vitscope.server.engines.choose import Choice, NoEngine
from vitscope.server.engines.contract import Identity
from vitscope.server.engines.load import preload
from vitscope.server.errors import NotReady
from vitscope.server.models.loader import EngineSettings, Loader
from vitscope.server.models.measure import LoadAbandoned
from vitscope.server.models.survey import Key
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler

log = structlog.get_logger()

# Compiling takes all cores for seconds, so a graph that failed is not tried again by every request.
_RETRY_LOAD = 30.0
# Seconds between two looks at whether a lane that is to go is still in use.
_LOOK_AGAIN = 0.05


class State(Enum):
    """Where a model version is in its life."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class ServedModel:
    """A bundle on its engine.

    `state` and `detail` (why, for a person) change only on the event loop; `on_change` is told after each change. `users`: requests
    that have been given this model and are not answered yet. `outdated`: see `set_outdated`.
    """

    def __init__(
        self,
        path: Path,
        scheduler: Scheduler,
        settings: EngineSettings,
        on_change: Callable[["ServedModel"], None],
    ) -> None:
        self.path, self.name, self.version = path, path.parent.name, int(path.name)
        self.state, self._detail, self.outdated = State.LOADING, "waiting to be loaded", ""
        self.users = 0
        self._scheduler, self._settings, self._on_change = scheduler, settings, on_change
        self._bundle: Bundle | None = None
        self._loader: Loader | None = None
        self._lanes: dict[GraphName, asyncio.Task[Lane]] = {}
        self._retry_at: dict[GraphName, float] = {}
        self._leaving = self._unloading = False
        self._upgrading: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def key(self) -> Key:
        return self.name, self.version

    @property
    def detail(self) -> str:
        """Why it is in its state, for a person; empty when it is ready and nothing better is to be had."""
        outdated = self.outdated and f"the bundle that is in its place now could not be loaded: {self.outdated}"
        return "; ".join(filter(None, (self._detail, outdated)))

    @property
    def bundle(self) -> Bundle:
        """The opened bundle. Raises NotReady while it is loading or when it could not be opened."""
        if self._bundle is None:
            raise NotReady(f"model {self} is {self.state.value}: {self.detail}")
        return self._bundle

    @property
    def choice(self) -> Choice | None:
        return self._loader.choice if self._loader else None

    @property
    def gates(self) -> dict[GraphName, CertificateEntry]:
        """What the gate found on this machine of each open graph; empty where the engine is not one that is gated."""
        return self._loader.gates if self._loader else {}

    @property
    def identity(self) -> Identity | None:
        """The engine of the graph that is always loaded; None unless it is."""
        lane = self.open_lane(CLASSIFY)
        return lane.engine.identity if lane else None

    @property
    def costs(self) -> dict[int, float]:
        """Seconds by batch size under load, measured at warm-up, of the graph that is always loaded."""
        lane = self.open_lane(CLASSIFY)
        return dict(lane.costs[-1].measured) if lane else {}

    @property
    def best_batch(self) -> int:
        """Largest batch that the graph that is always loaded is run with; 0 unless it is."""
        lane = self.open_lane(CLASSIFY)
        return lane.best_batch if lane else 0

    async def load(self, patient: bool = False) -> None:
        """Verify the bundle, find the fastest engine, compile the graph that is always loaded, warm it up.

        patient: whether to be ready only on the best engine, where building it takes minutes and another could serve meanwhile.
        Never raises: failure is a state. Cancelled, it gives up as soon as the engine lets it.
        """
        self._become(State.LOADING, "verifying, compiling and warming up")
        try:
            # Hashing runs without the interpreter's lock, importing an engine holds it.
            bundle, _ = await asyncio.gather(
                asyncio.to_thread(open_bundle, self.path), asyncio.to_thread(preload, self._settings.wanted.engine)
            )
            self._refuse_other_identity(bundle)
            self._bundle = bundle
            # Who asks for an engine by name waits for it.
            patient = patient or self._settings.wanted.engine != "auto"
            loader = await asyncio.to_thread(Loader, bundle, self._settings, lambda: self._leaving, patient)
            self._loader = loader
            if not loader.choice.certified:
                log.warning("model is not certified", model=str(self), reason=loader.choice.reason)
            await self.lane(CLASSIFY)
        except asyncio.CancelledError:
            self._leaving = True  # the thread that compiles cannot be cancelled, but it asks
            raise
        except (BundleError, NoEngine, LoadAbandoned) as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"the engine could not load it: {error}")
        else:
            if loader.postponed:
                self._become(State.READY, f"served by {self.identity} until a better engine is built")
                self._upgrading = asyncio.create_task(self._upgrade(bundle))
            else:
                self._become(State.READY, "")

    @property
    def degraded(self) -> bool:
        """Whether a better engine is being built, or could not be."""
        return self.state is State.READY and bool(self._detail)

    def set_outdated(self, reason: str) -> None:
        """Why the bundle that the folder holds by now could not be loaded; empty when the folder holds this one again."""
        self.outdated = reason
        self._on_change(self)

    async def _upgrade(self, bundle: Bundle) -> None:
        """Build the best engine while another serves, then let it take over; no request is lost."""
        lanes: dict[GraphName, asyncio.Task[Lane]] = {}
        try:
            await asyncio.to_thread(bundle.verify)  # the files may have changed since
            loader = await asyncio.to_thread(Loader, bundle, self._settings, lambda: self._leaving)
            # One after another: the first may find that the engine does not do, and settle for another.
            for graph in sorted(bundle.manifest.graphs, key=lambda name: name != CLASSIFY):
                self._refuse_same_engine(loader)
                lanes[graph] = asyncio.create_task(self._open_lane(graph, loader))
                await lanes[graph]
            self._refuse_same_engine(loader)
            if self._leaving:
                raise LoadAbandoned(f"{self} is being unloaded")
        except Exception as error:
            if not self._leaving:
                log.error("no better engine could be built", model=str(self), reason=str(error))
                self._become(State.READY, f"served by {self.identity}; no better engine could be built: {error}")
            await self._retire(lanes.values())
            return
        before, self._lanes, self._loader = self._lanes, lanes, loader
        self._become(State.READY, "")
        await self._retire(before.values())

    def _refuse_same_engine(self, loader: Loader) -> None:
        if self.choice and str(loader.choice) == str(self.choice):
            raise NoEngine(loader.choice.reason)

    async def retire(self) -> None:
        """Free everything when the requests that have it are answered, or the server stops. Nobody may be given it any more."""
        self._leaving = True
        while self.users and not self._unloading:  # noqa: ASYNC110 — an event for each answer would cost every request
            await asyncio.sleep(_LOOK_AGAIN)
        self._unloading = True
        lanes, self._lanes = self._lanes, {}
        await self._retire(lanes.values())
        if self._upgrading:
            await asyncio.wait((self._upgrading,))
        self._loader = None

    async def _retire(self, lanes: Iterable[asyncio.Task[Lane]]) -> None:
        """Free lanes that nothing new is sent to, when what was sent to them is answered."""
        for lane in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(lane, BaseException):
                continue
            while lane.users and not self._unloading:  # noqa: ASYNC110 — likewise
                await asyncio.sleep(_LOOK_AGAIN)
            await asyncio.to_thread(self._free, lane)
            log.info("engine retired", lane=lane.name, engine=str(lane.engine.identity))

    def _free(self, lane: Lane) -> None:
        self._scheduler.remove_lane(lane)
        _close(lane)

    def open_lane(self, graph: GraphName) -> Lane | None:
        """The lane of a graph if it is open, without waiting."""
        task = self._lanes.get(graph)
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    @property
    def open_lanes(self) -> list[Lane]:
        return [lane for graph in self._lanes if (lane := self.open_lane(graph))]

    async def lane(self, graph: GraphName) -> Lane:
        """The lane of a graph, which is compiled and warmed up when it is asked for the first time.

        Raises whatever the engine raised where that failed; then NotReady until it is tried again, after a while.
        """
        while True:
            if self._unloading:
                raise NotReady(f"model {self} is being unloaded")
            task = self._lanes.get(graph)
            if task is not None and task.done() and (task.cancelled() or task.exception() is not None):
                if time.monotonic() < self._retry_at.get(graph, 0.0):
                    raise NotReady(f"model {self}: its {graph} graph could not be loaded; see the server's log")
                task = None
            if task is None:
                assert self._loader is not None
                task = self._lanes[graph] = asyncio.create_task(self._open_lane(graph, self._loader))
            # Shielded: one caller who gives up must not undo the load for the others.
            lane = await asyncio.shield(task)
            # A better engine may have taken over before this caller's turn came.
            if self._lanes.get(graph) is task:
                return lane

    def unload(self) -> None:
        """Take the lanes from the scheduler and free the engines, whoever uses them."""
        self._leaving = self._unloading = True
        if self._upgrading:
            self._upgrading.cancel()
        for task in self._lanes.values():
            if not task.done():
                task.cancel()
            elif not task.cancelled() and task.exception() is None:
                self._scheduler.remove_lane(task.result())
                task.result().engine.close()
        self._lanes.clear()

    async def _open_lane(self, graph: GraphName, loader: Loader) -> Lane:
        began = time.monotonic()
        try:
            lane = await asyncio.to_thread(loader.lane, graph)
        except Exception as error:
            self._retry_at[graph] = time.monotonic() + _RETRY_LOAD
            log.error("graph failed to load", model=str(self), graph=graph, reason=str(error))
            raise
        if self._unloading:
            await asyncio.to_thread(_close, lane)
            raise NotReady(f"model {self} is being unloaded")
        self._scheduler.add_lane(lane)
        log.info(
            "graph ready",
            model=str(self),
            graph=graph,
            engine=str(lane.engine.identity),
            engine_version=lane.engine.identity.version,
            device=lane.engine.identity.device,
            why=loader.choice.reason,
            best_batch=lane.best_batch,
            milliseconds_by_batch={
                f"{profile.streams}×{profile.threads}": {n: round(s * 1000, 2) for n, s in costs.measured.items()}
                for profile, costs in zip(lane.engine.profiles, lane.costs, strict=True)
            },
            images_per_second=round(lane.streams * lane.best_batch / lane.costs[-1].measured[lane.best_batch], 1),
            took_seconds=round(time.monotonic() - began, 2),
        )
        return lane

    def _refuse_other_identity(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        if (manifest.name, manifest.version) != (self.name, self.version):
            raise BundleError(f"{self.path}: its manifest says {manifest.name}/{manifest.version}, its folder {self}")

    def _fail(self, detail: str) -> None:
        if self._leaving:
            log.info("load given up", model=str(self), reason=detail)
        else:
            log.error("model failed to load", model=str(self), reason=detail)
        self._become(State.FAILED, detail)

    def _become(self, state: State, detail: str) -> None:
        self.state, self._detail = state, detail
        self._on_change(self)


def _close(lane: Lane) -> None:
    """Free the engine of a lane that nothing runs on, which takes up to some tenths of a second: slots hold parts of it too."""
    lane.engine.close()
    lane.slots.clear()
