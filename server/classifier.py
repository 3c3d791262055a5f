"""The life of one image, in order: admit, decode, queue, batch, engine, maps."""

import asyncio
import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
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
from server.maps.spec import MapSpec, RenderingSpec
from server.metrics import Metrics
from server.models.served import ServedModel
from server.scheduling.admission import Admission
from server.scheduling.callers import Caller
from server.scheduling.decoders import DecodePool, call_soon
from server.scheduling.lane import Lane
from server.scheduling.scheduler import Scheduler
from server.scheduling.timeline import Timeline
from server.scheduling.work import Work
from server.sharing.cache import AnswerCache, nbytes, owned
from server.sharing.calls import How, Patience, SharedCalls
from server.sharing.content import Content, digest

NO_DEADLINE = math.inf
# Bytes from which hashing an image would hold up the event loop for more than about a millisecond.
_DIGESTED_AT_ONCE = 2**20


@dataclass(frozen=True)
class Query:
    """What to say about one image.

    caller: who asks; a stream's items wait in line where a single request would be refused. size: bytes of the message, held
    until it is answered. image, form: the bytes of the image, and whatever else decides what `prepare` makes of them; requests
    in which both are equal are seen once. prepare: turns the caller's bytes into pixels, on a decode thread unless that takes next to no time
    (`at_once`). top_k: classes to return,
    from 1. min_probability: 0..1. maps: None asks for none. deadline: monotonic seconds, infinite without one.
    """

    caller: Caller
    size: int
    image: bytes
    form: tuple[Hashable, ...]
    prepare: Callable[[], Prepared]
    at_once: bool
    top_k: int
    min_probability: float
    maps: MapSpec | None
    deadline: float
    timeline: Timeline


@dataclass(frozen=True)
class Ranked:
    """One class: index in the labels, name, softmax probability and raw logit."""

    index: int
    label: str
    probability: float
    logit: float


@dataclass(frozen=True)
class Classification:
    """The answer about one image. Each map comes with its picture when one was asked for. how: whether it was computed for this
    request, shared with an equal one in flight, or kept from an earlier one."""

    classes: list[Ranked]
    maps: list[tuple[AttentionMap, Rendered | None]]
    geometry: Geometry
    engine: Identity
    how: How


@dataclass(frozen=True, eq=False)
class Seen:
    """What decoding and inference made of an image: all that requests for the same image and graph have in common."""

    geometry: Geometry
    photo: Image.Image | None
    outputs: Outputs
    timeline: Timeline


SeenKey = tuple[str, int, bool, Content | bytes, tuple[Hashable, ...]]


class Classifier:
    """Carries images through the stages. Used on the event loop; decoding and running happen on threads."""

    def __init__(
        self, admission: Admission, decoders: DecodePool, scheduler: Scheduler, metrics: Metrics, cache_bytes: int = 0
    ) -> None:
        self._admission, self._decoders, self._scheduler, self._metrics = admission, decoders, scheduler, metrics
        self._keeps = cache_bytes > 0
        cache: AnswerCache[SeenKey, Seen] = AnswerCache(cache_bytes, _pack, metrics.cache_evictions.inc)
        metrics.cache_bytes.set_function(lambda: cache.bytes)
        self._shared = SharedCalls(cache)

    async def classify(self, model: ServedModel, query: Query) -> Classification:
        """Answer one image. Raises ServerError; cancelling frees the image's place at once."""
        spec, timeline = query.maps, query.timeline
        async with self._admission.place(query.caller, query.size):
            # May have to be compiled first, which the place in the house bounds.
            lane = await model.lane(spec.graph if spec else CLASSIFY)
            seen, how = await self._shared.run(
                await self._key(lane, query), partial(self._see, lane, query), query.deadline
            )
            if how != "computed":
                timeline.end("receive")
                timeline.follow(seen.timeline)
                self._metrics.repeats.labels(model.name, model.version, how).inc()
            classes = rank(seen.outputs["logits"], model.bundle.manifest.labels, query.top_k, query.min_probability)
            maps = await self._maps(model, query, seen) if spec else []
            timeline.end("maps")
        if spec:
            self._metrics.map_requests.labels(model.name, model.version, "attention").inc()
        return Classification(classes, maps, seen.geometry, lane.engine.identity, how)

    async def _key(self, lane: Lane, query: Query) -> SeenKey:
        """By the bytes themselves, or by their digest where the answer is kept for longer than they are."""
        image: Content | bytes
        if not self._keeps:
            image = Content(query.image)
        elif len(query.image) < _DIGESTED_AT_ONCE:
            image = digest(query.image)
        else:
            image = await asyncio.to_thread(digest, query.image)
        # Streams apart: a single request must not wait in line with a stream's item.
        return lane.name, lane.serial, query.caller.bulk, image, query.form

    async def _see(self, lane: Lane, query: Query, patience: Patience) -> Seen:
        """Admit, decode and infer. The image goes from thread to thread; the loop hears of it again when it has its answer."""
        await self._admission.admit(lane, query.caller, query.deadline)
        query.timeline.end("receive")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Seen] = loop.create_future()

        def decode() -> None:
            try:
                if time.monotonic() >= work.deadline:
                    raise DeadlineExpired("the deadline passed before the image was decoded; it was not computed")
                prepared = query.prepare()
                query.timeline.end("decode")
                work.done = lambda outputs: settle(
                    answer.set_result, Seen(prepared.geometry, prepared.photo, outputs, query.timeline)
                )
                self._scheduler.submit(lane, work, prepared.pixels)
            except Exception as error:
                work.failed(error)

        def settle(set_it: Callable[..., None], value: object) -> None:
            call_soon(loop, lambda: None if answer.done() else set_it(value))

        work = Work(query.caller, query.deadline, query.timeline, failed=partial(settle, answer.set_exception))
        patience.follow(partial(setattr, work, "deadline"))
        self._scheduler.expect(lane, work)
        if query.at_once:
            decode()
        else:
            self._decoders.submit(query.caller, decode)
        try:
            return await answer
        except BaseException:
            self._decoders.cancel(query.caller, decode)
            self._scheduler.cancel(lane, work)
            raise

    async def _maps(self, model: ServedModel, query: Query, seen: Seen) -> list[tuple[AttentionMap, Rendered | None]]:
        spec = query.maps
        assert spec is not None
        maps = select(spec, model.bundle.manifest.tokens, seen.outputs["attention"], seen.outputs["attention_prefix"])
        if spec.rendering is None:
            return [(item, None) for item in maps]
        draw = partial(_draw, maps, spec.rendering, seen)
        return await self._decoders.run(query.caller, draw)


def rank(logits: np.ndarray, labels: tuple[str, ...], top_k: int, min_probability: float) -> list[Ranked]:
    """The `top_k` most probable classes of float32 `logits` [C], in falling order, ties by index.

    Raises ArithmeticError when a logit is not a finite number: no class is the answer then.
    """
    largest = float(logits.max())
    if not (math.isfinite(largest) and math.isfinite(logits.min())):
        raise ArithmeticError("the model's logits are not finite")
    total = float(np.exp(logits - logits.max(), dtype=np.float64).sum())
    candidates = np.arange(len(logits))
    if top_k < len(logits):  # sorting all classes costs more than finding the few that are asked for
        candidates = np.flatnonzero(logits >= np.partition(logits, -top_k)[-top_k])
    order = candidates[np.argsort(-logits[candidates], kind="stable")][:top_k].tolist()
    ranked = ((index, float(logits[index])) for index in order)
    probable = ((index, logit, math.exp(logit - largest) / total) for index, logit in ranked)
    return [Ranked(index, labels[index], p, logit) for index, logit, p in probable if p >= min_probability]


def _draw(maps: list[AttentionMap], rendering: RenderingSpec, seen: Seen) -> list[tuple[AttentionMap, Rendered | None]]:
    return [(item, render(item, rendering, seen.geometry, seen.photo)) for item in maps]


def _pack(seen: Seen) -> tuple[Seen, int]:
    """What is kept of an answer, and its bytes. Pillow stores four bytes a pixel."""
    photo = 4 * seen.photo.width * seen.photo.height if seen.photo else 0
    return replace(seen, outputs=owned(seen.outputs)), nbytes(seen.outputs) + photo
