"""The life of the process, top to bottom: listen, load, serve, drain, stop."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator

import grpc
import structlog
from aiohttp import web
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bundle import BundleError
from server.api.health import Health
from server.api.http import http_app
from server.api.interceptor import ServerInterceptor
from server.api.servicer import ClassifierServicer
from server.classifier import Classifier
from server.cpu import plan_threads
from server.engines.choose import Wanted
from server.images.limits import ImageLimits
from server.metrics import Metrics, service_version
from server.models.repository import Repository
from server.models.served import EngineSettings, ServedModel, State
from server.scheduling.admission import Admission
from server.scheduling.decoders import DecodePool
from server.scheduling.lane import Lane
from server.scheduling.scheduler import Scheduler
from server.settings import Settings
from vitscope.v1 import classifier_pb2, classifier_pb2_grpc

log = structlog.get_logger()


class StartupError(Exception):
    """The server cannot start; the message says what to change."""


class App:
    """One server. `run` is its whole life."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.threads = plan_threads(settings.threads, settings.decode_threads)
        self.metrics = Metrics()
        self.scheduler = Scheduler(max_batch_wait=settings.max_batch_wait_ms / 1000, observe=self._batch_ran)
        self.decoders = DecodePool(self.threads.decode)
        self.admission = Admission(
            self.scheduler,
            self.decoders,
            settings.max_in_flight,
            settings.max_queue_wait,
            refused=lambda reason: self.metrics.refusals.labels(reason).inc(),
        )
        self.metrics.watch(lambda: self.admission.in_flight, self.scheduler.queue_depth, self.scheduler.predicted_wait)
        wanted = Wanted(settings.engine, settings.precision, settings.allow_uncertified)
        engine_settings = EngineSettings(wanted, self.threads.engine, settings.max_batch)
        self.repository = Repository(self.scheduler, engine_settings, self._model_changed)
        self.grpc_port = self.http_port = 0
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Serve until a signal or `stop`. Raises StartupError when a port is taken or no model can be served."""
        self.health = Health()
        self.scheduler.start()
        try:
            with self._signals():
                async with self._http(), self._grpc() as server:
                    log.info(
                        "threads planned",
                        engine=self.threads.engine,
                        decode=self.threads.decode,
                        why=self.threads.reason,
                    )
                    if await self._load():
                        self.health.serving(True)
                        log.info(
                            "serving",
                            grpc=f"{self.settings.host}:{self.grpc_port}",
                            http=f"{self.settings.host}:{self.http_port}",
                        )
                        await self._stop.wait()
                    await self._drain(server)
        finally:
            await self.repository.close()
            self.scheduler.close()
            self.decoders.close()
            log.info("stopped")

    def stop(self) -> None:
        """Begin to drain, as TERM does."""
        self._stop.set()

    async def _load(self) -> bool:
        """Load all models; False when a signal came first."""
        loading = asyncio.create_task(self.repository.load_all(self.settings.models))
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
        """Tell balancers first, keep answering while they react, then finish what is in flight."""
        await self.health.shut_down()
        if any(model.state is State.READY for model in self.repository):
            log.info("draining", seconds=self.settings.drain_seconds, in_flight=self.admission.in_flight)
            await asyncio.sleep(self.settings.drain_seconds)
        await server.stop(self.settings.grace_seconds)

    @contextlib.asynccontextmanager
    async def _grpc(self) -> AsyncIterator[aio.Server]:
        mib = self.settings.max_message_mib * 2**20
        server = aio.server(
            interceptors=[ServerInterceptor(self.metrics)],
            options=[
                ("grpc.max_receive_message_length", mib),
                ("grpc.max_send_message_length", mib),
                # Otherwise a second server would silently share the port and take half of the requests.
                ("grpc.so_reuseport", 0),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ],
        )
        classifier = Classifier(self.admission, self.decoders, self.scheduler, self.metrics)
        limits = ImageLimits(
            max_bytes=int(self.settings.max_image_mib * 2**20),
            max_pixels=int(self.settings.max_image_megapixels * 1e6),
            max_frames=self.settings.max_image_frames,
        )
        servicer = ClassifierServicer(self.repository, classifier, limits, self.settings.stream_window, self.metrics)
        classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, server)
        names = (
            classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name,
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            reflection.SERVICE_NAME,
        )
        reflection.enable_server_reflection(names, server)
        try:
            self.grpc_port = server.add_insecure_port(f"{self.settings.host}:{self.settings.grpc_port}")
        except RuntimeError as error:
            raise StartupError(_port_taken("grpc_port", self.settings.host, self.settings.grpc_port)) from error
        await server.start()
        try:
            yield server
        finally:
            await server.stop(0)

    @contextlib.asynccontextmanager
    async def _http(self) -> AsyncIterator[None]:
        app = http_app(self.metrics, alive=lambda: self.scheduler.alive, ready=lambda: self.health.ready)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, self.settings.host, self.settings.http_port)
        try:
            try:
                await site.start()
            except OSError as error:
                raise StartupError(_port_taken("http_port", self.settings.host, self.settings.http_port)) from error
            self.http_port = runner.addresses[0][1]
            yield
        finally:
            await runner.cleanup()

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

    def _model_changed(self, model: ServedModel) -> None:
        self.health.models_changed(self.repository)
        ready = model.state is State.READY
        self.metrics.model_ready.labels(model.name, model.version).set(ready)
        if ready and model.identity and model.choice:
            identity = model.identity
            self.metrics.engine_info.labels(
                model.name,
                model.version,
                str(identity),
                identity.version,
                identity.device,
                str(model.choice.certified).lower(),
            ).set(1)

    def _batch_ran(self, lane: Lane, size: int, seconds: float) -> None:
        self.metrics.batch_size.labels(*lane.labels).observe(size)


def _port_taken(name: str, host: str, port: int) -> str:
    flag = "--" + name.replace("_", "-")
    return f"{name}: {host}:{port} cannot be listened on, probably because another server does; choose another {flag}"


def run(settings: Settings) -> None:
    """Serve until a signal. Raises StartupError."""
    log.info("starting", version=service_version(), models=str(settings.models), grpc=grpc.__version__)

    async def serve() -> None:
        await App(settings).run()

    asyncio.run(serve())
