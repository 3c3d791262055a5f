"""A small real ClassifierService: it decodes the image, and fails only where a test asks for it."""

import asyncio
import io
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import grpc
import numpy as np
from grpc import aio
from PIL import Image

from vitscope.v1 import classifier_pb2, classifier_pb2_grpc, image_pb2, maps_pb2, model_pb2, timing_pb2

LABELS = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]
LAYERS, HEADS, ROWS, COLS = 4, 3, 5, 7
MIB = 1024 * 1024


class Refusal(Exception):
    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Servicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """Its faults, and what it counts."""

    refuse: int = 0
    """Calls or items to refuse first."""
    cut: int = 0
    """Calls to cancel first."""
    pushback_ms: int = 0
    """Pushback of a refusal; 0 sends none."""
    delay: float = 0.0
    """Seconds before each answer."""
    shuffled: bool = False
    """Delays only items with an even id."""
    capacity: int = 1_000_000
    """Items in flight; more are refused."""
    break_after: int = 0
    """Answers after which a stream is aborted, once."""
    dead_items: frozenset[str] = frozenset()
    """Ids that are never answered."""
    max_bytes: int = 64 * MIB
    """Largest message accepted."""
    models: list[model_pb2.Model] = field(default_factory=lambda: [fashion()])
    calls: list[tuple[float, float | None]] = field(default_factory=list)
    """Monotonic time and seconds to the deadline of each unary call."""
    arrivals: dict[str, list[float]] = field(default_factory=dict)
    """Monotonic times at which each item arrived, by id."""
    streams: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def Classify(self, request: classifier_pb2.ClassifyRequest, context: Any) -> classifier_pb2.ClassifyResponse:
        self.calls.append((time.monotonic(), context.time_remaining()))
        if self.refuse > 0:
            self.refuse -= 1
            trailers = [("vitscope-estimated-wait-ms", "1500")]
            if self.pushback_ms:
                trailers.append(("grpc-retry-pushback-ms", str(self.pushback_ms)))
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "queue is full", tuple(trailers))
        if self.cut > 0:
            self.cut -= 1
            await context.abort(grpc.StatusCode.CANCELLED, "CANCELLED")
        await asyncio.sleep(self.delay)
        try:
            return answer(request)
        except Refusal as refusal:
            await context.abort(refusal.code, refusal.message)
            raise

    async def ClassifyStream(
        self, requests: AsyncIterator[classifier_pb2.ClassifyStreamRequest], context: Any
    ) -> AsyncIterator[classifier_pb2.ClassifyStreamResponse]:
        self.streams += 1
        answers: asyncio.Queue[classifier_pb2.ClassifyStreamResponse | None] = asyncio.Queue()
        tasks: set[asyncio.Task[None]] = set()

        async def read() -> None:
            async for request in requests:
                self.arrivals.setdefault(request.request_id, []).append(time.monotonic())
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                if request.request_id not in self.dead_items:
                    task = asyncio.create_task(self._item(request, answers))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)
            answers.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            sent = 0
            while (item := await answers.get()) is not None:
                self.in_flight -= 1
                yield item
                sent += 1
                if sent == self.break_after:
                    self.break_after = 0
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
        finally:
            self.ended.set()
            self.in_flight = 0
            for task in (reader, *tasks):
                task.cancel()

    async def _item(
        self,
        item: classifier_pb2.ClassifyStreamRequest,
        answers: "asyncio.Queue[classifier_pb2.ClassifyStreamResponse | None]",
    ) -> None:
        response = classifier_pb2.ClassifyStreamResponse(request_id=item.request_id)
        if self.refuse > 0 or self.in_flight > self.capacity:
            self.refuse -= 1
            response.error.code, response.error.message = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "queue is full"
            response.error.retry_after_ms = self.pushback_ms
        else:
            if not (self.shuffled and int(item.request_id) % 2):
                await asyncio.sleep(self.delay)
            try:
                response.response.CopyFrom(answer(item.request))
            except Refusal as refusal:
                response.error.code, response.error.message = refusal.code.value[0], refusal.message
        answers.put_nowait(response)

    async def ListModels(self, request: Any, context: Any) -> classifier_pb2.ListModelsResponse:
        return classifier_pb2.ListModelsResponse(models=[model.summary for model in self.models])

    async def GetModel(self, request: classifier_pb2.GetModelRequest, context: Any) -> classifier_pb2.GetModelResponse:
        for model in self.models:
            if request.model in ("", model.summary.name) and request.version in (0, model.summary.version):
                return classifier_pb2.GetModelResponse(model=model)
        await context.abort(grpc.StatusCode.NOT_FOUND, f"model: no model {request.model!r}; accepted: fashion")
        raise LookupError(request.model)  # for the type checker; abort has raised


def answer(request: classifier_pb2.ClassifyRequest) -> classifier_pb2.ClassifyResponse:
    """Return logits seeded by a checksum of the image, so that every image has its own answer."""
    if request.model not in ("", "fashion"):
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"model: no model {request.model!r}; accepted: fashion")
    pixels = decode(request.image)
    generator = np.random.default_rng(zlib.crc32(pixels.tobytes()))
    logits = generator.normal(scale=3, size=len(LABELS))
    probabilities = np.exp(logits) / np.exp(logits).sum()
    best = [i for i in np.argsort(-logits) if probabilities[i] >= request.min_probability][: request.top_k or 5]
    height, width, _ = pixels.shape
    return classifier_pb2.ClassifyResponse(
        classes=[
            classifier_pb2.Class(index=i, label=LABELS[i], probability=probabilities[i], logit=logits[i]) for i in best
        ],
        maps=list(maps(request.maps, pixels)) if request.HasField("maps") else [],
        geometry=image_pb2.Geometry(
            image_width=width, image_height=height, exif_orientation=1, model_width=28, model_height=20,
            patch_width=4, patch_height=4, grid_rows=ROWS, grid_cols=COLS,
            grid_to_image=[width / COLS, 0, 0, 0, height / ROWS, 0], seen=image_pb2.Box(x1=width, y1=height),
            resize_mode=image_pb2.RESIZE_MODE_SQUASH,
        ),
        model="fashion",
        version=request.version or 1,
        timing=timing_pb2.Timing(
            decode_seconds=0.0012, queue_seconds=0.0001, infer_seconds=0.0098, total_seconds=0.0123,
            batch_size=4, engine="openvino/bf16",
        ),
    )  # fmt: skip


def decode(image: image_pb2.Image) -> np.ndarray:
    if image.WhichOneof("source") == "raw":
        return np.frombuffer(image.raw.rgb, np.uint8).reshape(image.raw.height, image.raw.width, 3)
    try:
        return np.asarray(Image.open(io.BytesIO(image.encoded)).convert("RGB"))
    except OSError as error:
        raise Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            "image.encoded: not an image file; accepted: JPEG, PNG, WebP, GIF, BMP, TIFF",
        ) from error


def maps(options: maps_pb2.MapOptions, pixels: np.ndarray) -> Iterator[maps_pb2.Map]:
    layers = range(LAYERS) if options.all_layers else sorted(layer % LAYERS for layer in options.layers or [-1])
    heads = range(HEADS) if options.all_heads else list(options.heads) or [-1]
    for layer in layers:
        for head in heads:
            values = map_of(layer, head)
            message = maps_pb2.Map(
                layer=layer, head=head, rows=ROWS, cols=COLS, dtype=options.dtype, scale=1,
                prefix=maps_pb2.PrefixMass(cls=1 - values.sum()),
            )  # fmt: skip
            if options.dtype == maps_pb2.DATA_TYPE_UINT8:
                message.offset, message.scale = values.min(), np.ptp(values) / 255
                message.values = np.round((values - message.offset) / message.scale).astype(np.uint8).tobytes()
            else:
                half = options.dtype == maps_pb2.DATA_TYPE_FLOAT16
                message.values = values.astype("<f2" if half else "<f4").tobytes()
            if options.HasField("rendering"):
                photo = Image.fromarray(pixels)
                heat = Image.fromarray(np.uint8(values / values.max() * 255)).resize(photo.size).convert("RGB")
                file = io.BytesIO()
                Image.blend(photo, heat, options.rendering.opacity).save(file, "PNG")
                message.rendering.CopyFrom(
                    maps_pb2.Rendering(
                        media_type="image/png", data=file.getvalue(), width=photo.width, height=photo.height
                    )
                )
            yield message


def map_of(layer: int, head: int) -> np.ndarray:
    values: np.ndarray = np.random.default_rng(100 * layer + head + 1).random((ROWS, COLS))
    values *= 0.8 / values.sum()
    return values


def fashion() -> model_pb2.Model:
    summary = model_pb2.ModelSummary(
        name="fashion", version=1, state=model_pb2.MODEL_STATE_READY, engine="openvino/bf16"
    )
    return model_pb2.Model(
        summary=summary,
        family="vit",
        labels=LABELS,
        input=model_pb2.InputContract(
            width=28, height=28, resize_mode=image_pb2.RESIZE_MODE_SQUASH, resize_to=[28, 28],
            interpolation="bilinear", mean=[0.5] * 3, std=[0.5] * 3,
        ),
        tokens=model_pb2.TokenGeometry(
            patch_width=4, patch_height=4, grid_rows=ROWS, grid_cols=COLS, cls_tokens=1, pooling="cls"
        ),
        layers=LAYERS,
        heads=HEADS,
        width=192,
        provenance=model_pb2.Provenance(source="fashion", weights_sha256="ab" * 32),
        engine=model_pb2.EngineInfo(
            name="openvino", version="2026.4", precision="bf16", device="CPU", max_batch=16,
            reason="the fastest certified engine here", costs=[model_pb2.BatchCost(batch_size=1, seconds=0.002)],
        ),
        certificate=[
            model_pb2.CertificateEntry(
                engine="openvino", precision="bf16", passed=True, images=200, top1_agreement=0.995,
                max_logit_error=0.02, min_attention_cosine=0.9991, mean_attention_cosine=0.9999,
            )
        ],
        has_attention=True,
    )  # fmt: skip


@asynccontextmanager
async def serving(
    servicer: Servicer, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    """Serve on a real socket, in the running loop; yield host:port."""
    limits = [("grpc.max_receive_message_length", servicer.max_bytes), ("grpc.max_send_message_length", 64 * MIB)]
    server = aio.server(options=limits)
    classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        await server.stop(None)


@contextmanager
def serving_in_thread(
    *servicers: Servicer, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[list[str]]:
    """Serve in a loop of another thread; yield one host:port for each servicer."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    contexts = [serving(servicer, address, credentials) for servicer in servicers]
    try:
        yield [call(context.__aenter__()) for context in contexts]
    finally:
        for context in contexts:
            call(context.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
