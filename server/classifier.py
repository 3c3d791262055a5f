"""The life of one image, in order: admit, decode, queue, batch, engine, maps."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from bundle import CLASSIFY
from server.engines.contract import Identity, Outputs
from server.errors import DeadlineExpired
from server.images.geometry import Geometry
from server.images.prepare import Prepared
from server.maps.render import Rendered, render
from server.maps.select import AttentionMap, select
from server.maps.spec import MapSpec
from server.metrics import Metrics
from server.models.served import ServedModel
from server.scheduling.admission import Admission
from server.scheduling.decoders import DecodePool
from server.scheduling.lane import Lane, Work
from server.scheduling.scheduler import Scheduler
from server.scheduling.timeline import Timeline

NO_DEADLINE = math.inf


@dataclass(frozen=True)
class Query:
    """What to say about one image.

    size: bytes of the message, held until it is answered. prepare: turns the caller's bytes into pixels; runs on a decode
    thread. top_k: classes to return, from 1. min_probability: 0..1. maps: None asks for none. deadline: monotonic seconds,
    infinite without one. bulk: an item of a stream, which waits in line where a single request would be refused.
    """

    size: int
    prepare: Callable[[], Prepared]
    top_k: int
    min_probability: float
    maps: MapSpec | None
    deadline: float
    timeline: Timeline
    bulk: bool = False


@dataclass(frozen=True)
class Ranked:
    """One class: index in the labels, name, softmax probability and raw logit."""

    index: int
    label: str
    probability: float
    logit: float


@dataclass(frozen=True)
class Classification:
    """The answer about one image. Each map comes with its picture when one was asked for."""

    classes: list[Ranked]
    maps: list[tuple[AttentionMap, Rendered | None]]
    geometry: Geometry
    engine: Identity


class Classifier:
    """Carries images through the stages. Used on the event loop; decoding and running happen on threads."""

    def __init__(self, admission: Admission, decoders: DecodePool, scheduler: Scheduler, metrics: Metrics) -> None:
        self._admission, self._decoders, self._scheduler, self._metrics = admission, decoders, scheduler, metrics

    async def classify(self, model: ServedModel, query: Query) -> Classification:
        """Answer one image. Raises ServerError; cancelling frees the image's place at once."""
        spec, timeline = query.maps, query.timeline
        async with self._admission.place(query.size, query.bulk):
            # May have to be compiled first, which the place in the house bounds.
            lane = await model.lane(spec.graph if spec else CLASSIFY)
            await self._admission.admit(lane, query.deadline, query.bulk)
            timeline.end("receive")
            with self._scheduler.expecting(lane):
                prepared = await self._decoders.run(partial(_before, query.deadline, query.prepare))
                timeline.end("decode")
            outputs = await self._infer(lane, prepared.pixels, query)
            classes = rank(outputs["logits"], model.bundle.manifest.labels, query.top_k, query.min_probability)
            maps = await self._maps(model, spec, outputs, prepared) if spec else []
            timeline.end("maps")
        if spec:
            self._metrics.map_requests.labels(model.name, model.version, "attention").inc()
        return Classification(classes, maps, prepared.geometry, lane.engine.identity)

    async def _infer(self, lane: Lane, pixels: np.ndarray, query: Query) -> Outputs:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outputs] = loop.create_future()

        def settle(set_result: Callable[[], None]) -> None:
            if not answer.done():
                set_result()

        work = Work(
            pixels,
            query.deadline,
            query.timeline,
            done=lambda outputs: _call(loop, settle, partial(answer.set_result, outputs)),
            failed=lambda error: _call(loop, settle, partial(answer.set_exception, error)),
        )
        self._scheduler.submit(lane, work)
        try:
            return await answer
        except asyncio.CancelledError:
            self._scheduler.cancel(lane, work)
            raise

    async def _maps(
        self, model: ServedModel, spec: MapSpec, outputs: Outputs, prepared: Prepared
    ) -> list[tuple[AttentionMap, Rendered | None]]:
        maps = select(spec, model.bundle.manifest.tokens, outputs["attention"], outputs["attention_prefix"])
        if spec.rendering is None:
            return [(item, None) for item in maps]
        draw = partial(_draw, maps, spec, prepared.geometry, prepared.photo)
        return await self._decoders.run(draw)


def rank(logits: np.ndarray, labels: tuple[str, ...], top_k: int, min_probability: float) -> list[Ranked]:
    """The `top_k` most probable classes of float32 `logits` [C], in falling order, ties by index.

    Raises ArithmeticError when a logit is not a finite number: no class is the answer then.
    """
    if not np.isfinite(logits).all():
        raise ArithmeticError("the model's logits are not finite")
    exponents = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = exponents / exponents.sum()
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return [
        Ranked(int(i), labels[i], float(probabilities[i]), float(logits[i]))
        for i in order
        if probabilities[i] >= min_probability
    ]


def _before(deadline: float, prepare: Callable[[], Prepared]) -> Prepared:
    if time.monotonic() >= deadline:
        raise DeadlineExpired("the deadline passed while the image waited to be decoded; it was not computed")
    return prepare()


def _draw(
    maps: list[AttentionMap], spec: MapSpec, geometry: Geometry, photo: Image.Image | None
) -> list[tuple[AttentionMap, Rendered | None]]:
    assert spec.rendering is not None
    return [(item, render(item, spec.rendering, geometry, photo)) for item in maps]


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    """From a scheduler thread to the loop, which may have been closed by a shutdown that did not wait."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)
