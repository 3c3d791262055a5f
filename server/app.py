"""The life of the process, top to bottom: listen, load, serve, drain, stop."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import structlog
import uvloop
from aiohttp import web
from grpc import aio

from vitscope.bundle import BundleError
from vitscope.server.answer.classifier import Classifier
from vitscope.server.answer.decoding import Decoding
from vitscope.server.answer.service import Limits, Service
from vitscope.server.api import admin, native
from vitscope.server.api.health import Health
from vitscope.server.api.http import pages
from vitscope.server.api.listeners import (
    ConnectionLimits,
    PortTakenError,
    address,
    admin_listener,
    grpc_listener,
)
from vitscope.server.api.ports import http_listeners
from vitscope.server.api.room import Room
from vitscope.server.decoding.job import Budget
from vitscope.server.engines.choose import Wanted
from vitscope.server.engines.contract import status_of
from vitscope.server.host.cpu import plan_threads
from vitscope.server.host.loops import call_soon, watch_lag
from vitscope.server.host.signals import kill_at_next
from vitscope.server.host.version import service_version
from vitscope.server.images.limits import ImageLimits
from vitscope.server.maps.internals.selection import Limits as InternalsLimits
from vitscope.server.metrics import Metrics
from vitscope.server.metrics.gpus import watch_gpus
from vitscope.server.models.control import ModelControl
from vitscope.server.models.key import ModelKey
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.reconcile import Reconciler
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State
from vitscope.server.models.watch import Watcher
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.scheduling.transit import Transit
from vitscope.server.settings import Settings

log = structlog.get_logger()

# Seconds for calls that were under way when the port closed to arrive, and for replies to be flushed.
_LAST_CALLS = 0.5


class StartupError(Exception):
    """The server cannot start; the message says what to change."""


class App:
    """One server on the running event loop. `run` returns when it has stopped."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.threads = plan_threads(settings.threads, settings.decode_threads)
        self.metrics = Metrics(settings.low_confidence)
        self.scheduler = Scheduler(
            max_batch_wait=settings.max_batch_wait_ms / 1000,
            observe=self.metrics.engines.batch_ran,
            hand_over=partial(call_soon, asyncio.get_running_loop()),
            failed=self.metrics.engines.images_failed,
        )
        budget = Budget(settings.max_decode_seconds, settings.max_decode_mib * 2**20)
        self.decoding = Decoding(self.threads.decode, budget, self.metrics.load.decode_ended)
        self.admission = Admission(
            self.scheduler,
            self.decoding.threads,
            settings.max_in_flight,
            settings.max_in_flight_mib * 2**20,
            settings.max_queue_wait,
            refused=self.metrics.load.refused,
        )
        self.transit = Transit(self.admission, settings.max_receive_seconds, settings.max_message_mib * 2**20)
        self.metrics.load.watch(lambda: self.admission.in_flight, self.scheduler.queue_depth, self.scheduler.backlog)
        self.metrics.load.limits(settings.max_in_flight, settings.max_queue_wait, self.threads.cpus)
        wanted = Wanted(settings.engine, settings.precision, settings.allow_uncertified)
        engine_settings = EngineSettings(
            wanted,
            self.threads.engine,
            settings.max_batch,
            settings.engine_cache,
            settings.image_decoding,
            settings.full_idle_seconds,
        )
        self.repository = Repository(self.scheduler, engine_settings, self._model_changed, self._model_gone)
        self.service = self._service()
        self.reconciler = Reconciler(
            self.repository, settings.models, settings.keep_versions, self.metrics.models.load_ended
        )
        self.watcher = Watcher(self.reconciler)
        watch_gpus(self.metrics.registry, self._lanes)
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until a signal or `stop`. Raises StartupError when a port is taken or no model can be served."""
        self.health = Health()
        lag = asyncio.create_task(watch_lag(self.metrics.load.loop_was_late))
        try:
            with self._signals():
                await self._serve()
        except PortTakenError as error:
            raise StartupError(str(error)) from error
        finally:
            lag.cancel()
            await self.reconciler.close()
            self.scheduler.close()
            await self.repository.close()
            self.decoding.close()
            log.info("stopped")

    async def _serve(self) -> None:
        """Listen, load, serve until told to stop, drain."""
        settings = self.settings
        room = Room(self.admission, self.transit, self.service)
        services = native.grpc_services(self.service, self.repository, self.transit, settings.stream_window)
        async with (
            self._http_listeners(room) as http_ports,
            grpc_listener(
                settings.host,
                settings.grpc_port,
                ConnectionLimits(settings.max_message_mib * 2**20, settings.max_connection_seconds),
                services,
                self.health,
                self.metrics,
                room,
            ) as (server, grpc_port),
            self._admin_listener() as admin,
        ):
            threads = self.threads
            log.info("threads planned", engine=threads.engine, decode=threads.decode, why=threads.reason)
            if await self._load():
                # Objects made at start-up live as long as the process; the garbage collector need not traverse them.
                gc.collect()
                gc.freeze()
                self.health.started()
                where = {name: address(settings.host, port) for name, port in http_ports.items()}
                where |= {"admin": admin} if admin else {}
                log.info("serving", grpc=address(settings.host, grpc_port), **where)
                if settings.watch_seconds:
                    self.watcher.poll_every(settings.watch_seconds)
                await self._stop.wait()
                await self.reconciler.close()
            await self._drain(server)

    def stop(self) -> None:
        """Begin to drain, as TERM does."""
        self._stop.set()

    async def _load(self) -> bool:
        """Load all models. Return False if a signal arrived first. Raises StartupError if no model can be served."""
        loading = asyncio.create_task(self.watcher.start())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not loading.done():
            loading.cancel()
            return False
        try:
            loading.result()
        except BundleError as error:
            raise StartupError(str(error)) from error
        if not any(model.state is State.READY for model in self.repository):
            reasons = "\n".join(f"  {model}: {model.detail}" for model in self.repository)
            raise StartupError(f"no model of {self.settings.models} can be served:\n{reasons}")
        return True

    async def _drain(self, server: aio.Server) -> None:
        """Report not serving, keep answering while load balancers react, then finish the requests in flight."""
        self.health.shut_down()
        if any(model.state is State.READY for model in self.repository):
            log.info("draining", seconds=self.settings.drain_seconds, in_flight=self.admission.in_flight)
            await asyncio.sleep(self.settings.drain_seconds)
        activity = self.service.activity
        activity.draining.set()
        stopping = asyncio.create_task(server.stop(self.settings.grace_seconds))
        # Health watchers never end by themselves, so wait for open calls of the service only.
        answered = asyncio.create_task(activity.quiet(_LAST_CALLS))
        await asyncio.wait((stopping, answered), return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()
        # gRPC does not know of the calls over HTTP, of which no new ones begin.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(activity.ended(), self.settings.grace_seconds)
        await server.stop(None)
        await stopping

    def _service(self) -> Service:
        classifier = Classifier(
            self.admission, self.decoding, self.scheduler, self.metrics, self.settings.cache_mib * 2**20
        )
        limits = ImageLimits(
            max_bytes=int(self.settings.max_image_mib * 2**20),
            max_pixels=int(self.settings.max_image_megapixels * 1e6),
            max_frames=self.settings.max_image_frames,
        )
        message = self.settings.max_message_mib * 2**20
        # Fields beside the values of a piece take some bytes.
        internals = InternalsLimits(self.settings.max_explain_mib * 2**20, message - 2**10)
        return Service(self.repository, classifier, Limits(limits, message, internals), self.metrics)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Drain at the first TERM or INT. A second one ends the process."""
        loop = asyncio.get_running_loop()

        def received(number: int) -> None:
            log.info("signal received; a second one ends the process at once", signal=signal.Signals(number).name)
            self.stop()
            restore()

        def restore() -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            kill_at_next()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, received, number)
        try:
            yield
        finally:
            restore()

    def _lanes(self) -> Iterator[Lane]:
        return (lane for model in self.repository for lane in model.open_lanes)

    def _alive(self) -> bool:
        """Return False when only a restart helps.

        A thread has ended, or an engine reports that it is broken, for example after a sticky CUDA error.
        """
        return self.scheduler.alive and not any(status_of(lane.engine).broken for lane in self._lanes())

    def _model_changed(self, model: ServedModel) -> None:
        self.health.models_changed(self.repository)
        self.metrics.models.changed(model)

    def _model_gone(self, key: ModelKey, freed: bool) -> None:
        self.health.models_changed(self.repository)
        if freed:
            self.metrics.models.removed(*key)
        else:
            self.metrics.models.retired(*key)

    def _remarks(self) -> Iterator[str]:
        """Yield a line for each model version that failed or that is served in a degraded way."""
        for model in self.repository:
            if model.state is State.FAILED:
                yield f"{model}: failed: {model.detail}"
            elif model.state is State.READY and model.detail:
                yield f"{model}: {model.detail}"

    def _http_listeners(self, room: Room) -> AbstractAsyncContextManager[dict[str, int]]:
        """Listen for HTTP. Yields the ports by name."""
        operators = pages(
            self.metrics.registry,
            alive=self._alive,
            ready=lambda: self.health.ready and self._alive(),
            remarks=self._remarks,
        )
        routes = self._json_api(room) if self.settings.http_api else []
        return http_listeners(self.settings, self.metrics.http, operators, routes)

    def _json_api(self, room: Room) -> list[web.RouteDef]:
        """Return the routes of the JSON API. What it needs is imported only where it is served."""
        from vitscope.server.api import rest

        terms = rest.Terms(self.settings.origins, self.settings.max_message_mib * 2**20, self.settings.explorer)
        return rest.routes_of(self.service, self.repository, room, self.metrics.http, terms)

    def _admin_listener(self) -> AbstractAsyncContextManager[str]:
        """Listen for the admin service. Yields its address, or an empty string if it is off."""
        if self.settings.admin_address is None:
            return contextlib.nullcontext("")
        services = [admin.grpc_service(ModelControl(self.reconciler), self.repository)]
        return admin_listener(self.settings.admin_address, services, self.health, self.metrics)


def run(settings: Settings) -> None:
    """Serve until a signal arrives. Raises StartupError."""
    log.info("starting", version=service_version(), models=str(settings.models))

    async def serve() -> None:
        await App(settings).run()

    uvloop.run(serve())
