"""The stages of one image, in order: admit, decode, queue, batch, engine, maps."""

import asyncio
from collections.abc import Hashable
from dataclasses import replace
from functools import partial

from vitscope.bundle import FULL, GraphName
from vitscope.server.answer.answer import AnsweredMap, Classification
from vitscope.server.answer.decoding import Decoding
from vitscope.server.answer.image_task import ImageTask, Inference
from vitscope.server.answer.quality import quality_of
from vitscope.server.answer.query import Query, of_prepared
from vitscope.server.answer.ranking import Ranking, rank
from vitscope.server.maps import methods
from vitscope.server.maps.classes import by_index
from vitscope.server.maps.encode import encode
from vitscope.server.maps.internals.blocks import Internals, cut
from vitscope.server.maps.internals.selection import output_bytes
from vitscope.server.maps.render import Rendered
from vitscope.server.maps.spec import MapSpec
from vitscope.server.metrics import Metrics
from vitscope.server.metrics.quality import Quality
from vitscope.server.models.served import ServedModel
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.scheduler import Scheduler
from vitscope.server.sharing.cache import AnswerCache, nbytes, owned
from vitscope.server.sharing.calls import Origin, SharedCalls, SharedDeadline
from vitscope.server.sharing.content import Content, digest

# From this many bytes, hashing an image would block the event loop for more than about a millisecond.
_HASHED_ON_THE_LOOP = 2**20

# As a method in the metrics.
INTERNALS = "explain"

InferenceKey = tuple[str, int, bool, Content | bytes, tuple[Hashable, ...]]


class Classifier:
    """Runs images through the stages. On the event loop; decoding and inference run on threads."""

    def __init__(
        self, admission: Admission, decoding: Decoding, scheduler: Scheduler, metrics: Metrics, cache_bytes: int = 0
    ) -> None:
        self._admission, self._decoding, self._scheduler = admission, decoding, scheduler
        self._metrics = metrics.requests
        self._keeps = cache_bytes > 0
        cache: AnswerCache[InferenceKey, Inference] = AnswerCache(cache_bytes, _pack, metrics.cache.evicted)
        metrics.cache.watch(lambda: cache.bytes)
        self._shared = SharedCalls(cache)

    async def classify(self, model: ServedModel, query: Query) -> tuple[Classification, Quality]:
        """Answer one image. Raises ServerError. Cancelling gives its place back at once."""
        caller, graph = query.caller, query.graph
        reads_full = FULL in (graph, query.maps and query.maps.graph)
        size = query.size + (output_bytes(model.bundle.manifest, FULL) if reads_full else 0)
        if caller.bulk:
            await self._admission.wait_for_place(caller, size)
        with self._admission.place(caller, size):
            lane = await _lane(model, graph)
            with lane.lease():  # a better engine may take over meanwhile; the lease keeps this one open
                return await self._answer(model, lane, query)

    async def _answer(self, model: ServedModel, lane: Lane, query: Query) -> tuple[Classification, Quality]:
        spec, timeline = query.maps, query.timeline
        inference, origin = await self._infer(lane, query)
        if origin != "computed":
            timeline.end("receive")
            timeline.adopt(inference.timeline)
            self._metrics.repeated(model.name, model.version, origin)
        manifest = model.bundle.manifest
        logits, activation = inference.outputs["logits"], manifest.activation
        ranking = rank(logits, manifest.labels, query.top_k, query.min_probability, activation, manifest.temperature)
        decision = spec.when.decide(ranking.confidence, ranking.margin) if spec and spec.when else None
        maps: list[AnsweredMap] = []
        if spec and (decision is None or decision.made):
            read = inference if lane.graph == spec.graph else await self._explain(model, spec, query, inference)
            maps = await self._maps(model, spec, query, read)
            self._metrics.explained(model.name, model.version, spec.method)
        internals = await self._internals(model, query, inference, ranking)
        timeline.end("maps")
        engine = lane.engine.identity
        classification = Classification(
            ranking.classes, maps, inference.geometry, engine, origin, activation, decision, internals
        )
        return classification, quality_of(ranking, inference, [item.map for item in maps])

    async def _explain(self, model: ServedModel, spec: MapSpec, query: Query, answered: Inference) -> Inference:
        """Run the graph that the maps need on an image that has been answered.

        It is not decoded again; only if the answer was kept from an earlier request is it decoded, once for this one.

        What is asked for by rank is the rank in that answer: graphs differ in the last digits.
        """
        classes = by_index(spec.targets.columns, answered.outputs["logits"]) if spec.targets else query.classes
        again = of_prepared(query, answered.prepared(), classes)
        lane = await _lane(model, spec.graph)
        with lane.lease():
            inference, _ = await self._shared.run(
                await self._key(lane, again), partial(self._enqueue, lane, again), query.deadline.at
            )
        return inference

    async def _internals(
        self, model: ServedModel, query: Query, inference: Inference, ranking: Ranking
    ) -> Internals | None:
        """Copy what was asked for of the encoder's inside, on a thread."""
        if query.internals is None:
            return None
        answered = [ranked.index for ranked in ranking.classes]
        found = await asyncio.to_thread(cut, query.internals, inference.outputs, answered)
        self._metrics.explained(model.name, model.version, INTERNALS)
        return found

    async def _infer(self, lane: Lane, query: Query) -> tuple[Inference, Origin]:
        """Decode the image and run the engine, or share that with an equal request."""
        key = await self._key(lane, query)
        if query.caller.bulk and not self._shared.knows(key):
            await self._admission.wait_for_queue(lane, query.caller, self._decoding.pool(query.cost))
        return await self._shared.run(key, partial(self._begin, lane, query), query.deadline.at)

    async def _key(self, lane: Lane, query: Query) -> InferenceKey:
        """Return the key for sharing.

        With a cache it holds a digest instead of the image's bytes, because the cached answer outlives them.
        """
        image: Content | bytes
        if not self._keeps:
            image = Content(query.image)
        elif len(query.image) < _HASHED_ON_THE_LOOP:
            image = digest(query.image)
        else:
            image = await asyncio.to_thread(digest, query.image)
        # Items of streams have keys of their own: a single request must not wait as long as they may.
        form = (*query.form, query.classes) if lane.explains else query.form
        return lane.name, lane.serial, query.caller.bulk, image, form

    def _begin(self, lane: Lane, query: Query, deadline: SharedDeadline) -> asyncio.Future[Inference]:
        self._admission.admit(lane, query.caller, query.deadline.at, self._decoding.pool(query.cost))
        return self._enqueue(lane, query, deadline)

    def _enqueue(self, lane: Lane, query: Query, deadline: SharedDeadline) -> asyncio.Future[Inference]:
        query.timeline.end("receive")
        task = ImageTask(query, lane, self._decoding, self._scheduler)
        deadline.on_extended(task.extend_deadline)
        return task.begin()

    async def _maps(self, model: ServedModel, spec: MapSpec, query: Query, inference: Inference) -> list[AnsweredMap]:
        making = partial(methods.make, spec, model.bundle.manifest, inference.outputs)
        # Whole matrices take the processor for long enough that the event loop would be late.
        maps = await asyncio.to_thread(making) if spec.graph == FULL else making()
        pictures: list[Rendered | None] = [None] * len(maps)
        if spec.rendering is not None:
            geometry, photo = inference.geometry, inference.photo
            pictures = [*await self._decoding.draw(query.caller, maps, spec.rendering, geometry, photo)]
        return [
            AnsweredMap(item, encode(item.values, spec.dtype), picture)
            for item, picture in zip(maps, pictures, strict=True)
        ]


async def _lane(model: ServedModel, graph: GraphName) -> Lane:
    """Return the lane of a graph, which may have to be compiled first; places bound how many requests wait for that."""
    return model.open_lane(graph) or await model.lane(graph)


def _pack(inference: Inference) -> tuple[Inference, int]:
    """Return the part of an inference that the cache keeps, and its bytes. Pillow stores four bytes per pixel."""
    photo = 4 * inference.photo.width * inference.photo.height if inference.photo else 0
    return replace(inference, outputs=owned(inference.outputs), pixels=None), nbytes(inference.outputs) + photo
