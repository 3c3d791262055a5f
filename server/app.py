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
from grpc import aio

from vitscope.bundle import CLASSIFY, BundleError
from vitscope.server.api.admin import AdminServicer
from vitscope.server.api.health import Health
from vitscope.server.api.http import http_app
from vitscope.server.api.listeners import PortTakenError, address, admin_listener, grpc_listener, http_listener
from vitscope.server.api.servicer import ClassifierServicer, ServiceLimits
from vitscope.server.classifier import Classifier
from vitscope.server.cpu import plan_threads
from vitscope.server.engines.choose import Wanted
from vitscope.server.engines.contract import label, status_of
from vitscope.server.gpu import watch_gpus
from vitscope.server.images.limits import ImageLimits
from vitscope.server.loops import call_soon, watch_lag
from vitscope.server.metrics import Metrics, service_version
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel, State
from vitscope.server.models.survey import Key
from vitscope.server.models.watch import Watcher
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.settings import Settings

log = structlog.get_logger()

# Seconds in which calls that were on their way when the port closed arrive, and replies are flushed.
_LAST_CALLS = 0.5


class StartupError(Exception):
    """The server cannot start; the message says what to change."""


class App:
    """One server on the running event loop. `run` is its whole life."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.threads = plan_threads(settings.threads, settings.decode_threads)
        self.metrics = Metrics(settings.low_confidence)
        self.scheduler = Scheduler(
            max_batch_wait=settings.max_batch_wait_ms / 1000,
            observe=self.metrics.batch_ran,
            hand_over=partial(call_soon, asyncio.get_running_loop()),
        )
        self.decoders = DecodePool(self.threads.decode)
        self.admission = Admission(
            self.scheduler,
            self.decoders,
            settings.max_in_flight,
            settings.max_in_flight_mib * 2**20,
            settings.max_queue_wait,
            refused=lambda reason: self.metrics.refusals.labels(reason).inc(),
        )
        self.metrics.watch(lambda: self.admission.in_flight, self.scheduler.queue_depth, self.scheduler.backlog)
        self.metrics.limits(settings.max_in_flight, settings.max_queue_wait, self.threads.cpus)
        wanted = Wanted(settings.engine, settings.precision, settings.allow_uncertified)
        engine_settings = EngineSettings(wanted, self.threads.engine, settings.max_batch, settings.engine_cache)
        self.repository = Repository(self.scheduler, engine_settings, self._model_changed, self._model_gone)
        self.watcher = Watcher(self.repository, settings.models, settings.keep_versions, self._load_ended)
        watch_gpus(self.metrics.registry, self._lanes)
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until a signal or `stop`. Raises StartupError when a port is taken or no model can be served."""
        self.health = Health()
        lag = asyncio.create_task(watch_lag(self.metrics.event_loop_lag.observe))
        try:
            with self._signals():
                await self._serve()
        except PortTakenError as error:
            raise StartupError(str(error)) from error
        finally:
            lag.cancel()
            await self.watcher.close()
            self.scheduler.close()
            await self.repository.close()
            self.decoders.close()
            log.info("stopped")

    async def _serve(self) -> None:
        """Listen, load, serve until told to stop, drain."""
        settings = self.settings
        pages = http_app(
            self.metrics,
            alive=self._alive,
            ready=lambda: self.health.ready and self._alive(),
            remarks=self._remarks,
        )
        servicer = self._servicer()
        async with (
            http_listener(settings.host, settings.http_port, pages) as http_port,
            grpc_listener(
                settings.host, settings.grpc_port, settings.max_message_mib, servicer, self.health, self.metrics
            ) as (server, grpc_port),
            self._admin_listener() as admin,
        ):
            threads = self.threads
            log.info("threads planned", engine=threads.engine, decode=threads.decode, why=threads.reason)
            if await self._load():
                # What start-up has made stays for good; the collector need not look at it again and again.
                gc.collect()
                gc.freeze()
                self.health.started()
                where = {"admin": admin} if admin else {}
                log.info(
                    "serving", grpc=address(settings.host, grpc_port), http=address(settings.host, http_port), **where
                )
                if settings.watch_seconds:
                    self.watcher.begin(settings.watch_seconds)
                await self._stop.wait()
                await self.watcher.close()
            await self._drain(server, servicer)

    def stop(self) -> None:
        """Begin to drain, as TERM does."""
        self._stop.set()

    async def _load(self) -> bool:
        """Load all models; False when a signal came first."""
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

    async def _drain(self, server: aio.Server, servicer: ClassifierServicer) -> None:
        """Tell balancers first, keep answering while they react, then finish what is in flight."""
        await self.health.shut_down()
        if any(model.state is State.READY for model in self.repository):
            log.info("draining", seconds=self.settings.drain_seconds, in_flight=self.admission.in_flight)
            await asyncio.sleep(self.settings.drain_seconds)
        servicer.drain()
        stopping = asyncio.create_task(server.stop(self.settings.grace_seconds))
        # Health watchers never end by themselves; only answers are worth waiting for.
        answered = asyncio.create_task(servicer.quiet(_LAST_CALLS))
        await asyncio.wait((stopping, answered), return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()
        await server.stop(None)
        await stopping

    def _servicer(self) -> ClassifierServicer:
        classifier = Classifier(
            self.admission, self.decoders, self.scheduler, self.metrics, self.settings.cache_mib * 2**20
        )
        limits = ImageLimits(
            max_bytes=int(self.settings.max_image_mib * 2**20),
            max_pixels=int(self.settings.max_image_megapixels * 1e6),
            max_frames=self.settings.max_image_frames,
            decoding=self.settings.image_decoding,
        )
        service_limits = ServiceLimits(limits, self.settings.stream_window, self.settings.max_message_mib * 2**20)
        return ClassifierServicer(self.repository, classifier, service_limits, self.metrics)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first TERM or INT drains; a second one has its usual effect and ends the process."""
        loop = asyncio.get_running_loop()

        def received(number: int) -> None:
            log.info("signal received; a second one ends the process at once", signal=signal.Signals(number).name)
            self.stop()
            restore()

        def restore() -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, received, number)
        try:
            yield
        finally:
            restore()

    def _lanes(self) -> Iterator[Lane]:
        return (lane for model in self.repository for lane in model.open_lanes)

    def _alive(self) -> bool:
        """False when only another process can help: a thread has ended, or an engine says that it is broken, as after an error that
        CUDA does not recover from."""
        return self.scheduler.alive and not any(status_of(lane.engine).broken for lane in self._lanes())

    def _model_changed(self, model: ServedModel) -> None:
        self.health.models_changed(self.repository)
        ready = model.state is State.READY
        self.metrics.model_ready.labels(model.name, model.version).set(ready)
        self.metrics.engine_degraded.labels(model.name, model.version).set(model.degraded)
        lane = model.open_lane(CLASSIFY)
        if ready and lane and model.choice:
            self.metrics.served_by(model.name, model.version, lane, model.choice.certified)
        for graph, entry in model.gates.items():
            engine = label(entry.engine, entry.precision)
            self.metrics.gate_agreement.labels(model.name, model.version, engine, graph).set(entry.top1_agreement)

    def _model_gone(self, key: Key, freed: bool) -> None:
        self.health.models_changed(self.repository)
        if freed:
            self.metrics.forget(*key)
        else:
            self.metrics.model_ready.remove_by_labels({"model": key[0], "version": str(key[1])})

    def _load_ended(self, ready: bool) -> None:
        self.metrics.model_loads.labels("ready" if ready else "failed").inc()

    def _remarks(self) -> Iterator[str]:
        """A line about each model version that failed, or is not served as well as it could be."""
        for model in self.repository:
            if model.state is State.FAILED:
                yield f"{model}: failed: {model.detail}"
            elif model.state is State.READY and model.detail:
                yield f"{model}: {model.detail}"

    def _admin_listener(self) -> AbstractAsyncContextManager[str]:
        """Yields the address of the admin service; empty where it is off."""
        if self.settings.admin_address is None:
            return contextlib.nullcontext("")
        servicer = AdminServicer(self.watcher, self.repository)
        return admin_listener(self.settings.admin_address, servicer, self.health, self.metrics)


def run(settings: Settings) -> None:
    """Serve until a signal. Raises StartupError."""
    log.info("starting", version=service_version(), models=str(settings.models))

    async def serve() -> None:
        await App(settings).run()

    uvloop.run(serve())
