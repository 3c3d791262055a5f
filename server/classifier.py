"""The life of one image, in order: admit, decode, queue, batch, engine, maps."""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial

from vitscope.bundle import CLASSIFY
from vitscope.server.engines.contract import Identity
from vitscope.server.images.geometry import Geometry
from vitscope.server.maps.render import Rendered, render
from vitscope.server.maps.select import AttentionMap, select
from vitscope.server.maps.spec import RenderingSpec
from vitscope.server.metrics import Metrics
from vitscope.server.models.served import ServedModel
from vitscope.server.passage import Passage, Seen
from vitscope.server.quality import Quality, attention_entropy
from vitscope.server.query import Query
from vitscope.server.ranking import Ranked, Ranking, rank
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.decoders import DecodePool
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.sharing.cache import AnswerCache, nbytes, owned
from vitscope.server.sharing.calls import How, Patience, SharedCalls
from vitscope.server.sharing.content import Content, digest

# Bytes from which hashing an image would hold up the event loop for more than about a millisecond.
_DIGESTED_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True)
class Classification:
    """The answer about one image. Each map comes with its picture when one was asked for. how: whether it was computed for this
    request, shared with an equal one in flight, or kept from an earlier one."""

    classes: list[Ranked]
    maps: list[tuple[AttentionMap, Rendered | None]]
    geometry: Geometry
    quality: Quality
    engine: Identity
    how: How


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
        caller = query.caller
        graph = query.maps.graph if query.maps else CLASSIFY
        if caller.bulk:
            await self._admission.wait_for_place(caller, query.size)
        with self._admission.place(caller, query.size):
            # May have to be compiled first, which the place in the house bounds.
            lane = model.open_lane(graph) or await model.lane(graph)
            with lane.lease():
                return await self._answer(model, lane, query)

    async def _answer(self, model: ServedModel, lane: Lane, query: Query) -> Classification:
        spec, timeline = query.maps, query.timeline
        seen, how = await self._run(lane, query)
        if how != "computed":
            timeline.end("receive")
            timeline.follow(seen.timeline)
            self._metrics.repeats.labels(model.name, model.version, how).inc()
        ranking = rank(seen.outputs["logits"], model.bundle.manifest.labels, query.top_k, query.min_probability)
        maps = await self._maps(model, query, seen) if spec else []
        timeline.end("maps")
        if spec:
            self._metrics.map_requests.labels(model.name, model.version, "attention").inc()
        return Classification(ranking.classes, maps, seen.geometry, _quality(ranking, seen), lane.engine.identity, how)

    async def _run(self, lane: Lane, query: Query) -> tuple[Seen, How]:
        key = await self._key(lane, query)
        if query.caller.bulk and not self._shared.knows(key):
            await self._admission.line_up(lane, query.caller)
        return await self._shared.run(key, partial(self._see, lane, query), query.deadline)

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

    def _see(self, lane: Lane, query: Query, patience: Patience) -> asyncio.Future[Seen]:
        self._admission.admit(lane, query.caller, query.deadline)
        query.timeline.end("receive")
        passage = Passage(query, lane, self._decoders, self._scheduler)
        patience.follow(passage.put_off)
        return passage.begin()

    async def _maps(self, model: ServedModel, query: Query, seen: Seen) -> list[tuple[AttentionMap, Rendered | None]]:
        spec = query.maps
        assert spec is not None
        maps = select(spec, model.bundle.manifest.tokens, seen.outputs["attention"], seen.outputs["attention_prefix"])
        if spec.rendering is None:
            return [(item, None) for item in maps]
        draw = partial(_draw, maps, spec.rendering, seen)
        return await self._decoders.run(query.caller, draw)


def _quality(ranking: Ranking, seen: Seen) -> Quality:
    attention, geometry = seen.outputs.get("attention"), seen.geometry
    entropy = None if attention is None else attention_entropy(attention)
    pixels = geometry.image_width * geometry.image_height
    return Quality(ranking.confidence, ranking.margin, entropy, seen.brightness, pixels)


def _draw(maps: list[AttentionMap], rendering: RenderingSpec, seen: Seen) -> list[tuple[AttentionMap, Rendered | None]]:
    return [(item, render(item, rendering, seen.geometry, seen.photo)) for item in maps]


def _pack(seen: Seen) -> tuple[Seen, int]:
    """What is kept of an answer, and its bytes. Pillow stores four bytes a pixel."""
    photo = 4 * seen.photo.width * seen.photo.height if seen.photo else 0
    return replace(seen, outputs=owned(seen.outputs)), nbytes(seen.outputs) + photo
