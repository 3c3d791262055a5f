"""An `Ask` that has been checked against its model."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial

from vitscope.bundle import CLASSIFY, FULL, GraphName, Manifest
from vitscope.server.answer.ask import Ask, EncodedImage
from vitscope.server.answer.deadline import Deadline
from vitscope.server.answer.prediction import predict_file, predict_raw
from vitscope.server.decoding.job import DecodeJob
from vitscope.server.engines.classes import BEST
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.cost import Cost
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_raw
from vitscope.server.maps.internals.selection import DEFAULT_LIMITS, Limits, Selection, select
from vitscope.server.maps.methods import plan
from vitscope.server.maps.spec import MapSpec
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.timeline import Timeline

_NOTHING = Cost(0.0, 0, certain=True)


@dataclass(slots=True)
class Query:
    """One image and what the stages need to know of it.

    caller: who asks; items of a stream wait where a single request would be refused. size: bytes of the image. image:
    the bytes of the image. form: everything else that the result of `prepare` depends on; queries with equal image and
    form share one decode and one inference. prepare: turns the bytes into pixels, on a decode thread or in a process
    (see `Decoding`), or on the event loop if that takes next to no time (`at_once`). predict: returns what that will
    cost. top_k, min_probability: see `Ask`. maps: None for no maps. classes: what a graph that explains classes is
    asked for (engines/classes.py). internals: what of the encoder's inside; None for nothing.
    """

    caller: Caller
    size: int
    image: bytes
    form: tuple[Hashable, ...]
    prepare: Callable[[], Prepared]
    predict: Callable[[], Cost]
    at_once: bool
    top_k: int
    min_probability: float
    maps: MapSpec | None
    deadline: Deadline
    timeline: Timeline
    classes: tuple[int, ...] = (BEST,)
    internals: Selection | None = None
    _cost: Cost | None = None

    @property
    def graph(self) -> GraphName:
        """The graph to run first. Under a condition the classes are found first, by the cheapest."""
        if self.internals:
            return FULL
        return CLASSIFY if self.maps is None or self.maps.when else self.maps.graph

    @property
    def cost(self) -> Cost:
        """What `prepare` will cost; predicted when it is first asked for, since repeats are answered without."""
        if self._cost is None:
            self._cost = self.predict()
        return self._cost


def to_query(
    ask: Ask,
    manifest: Manifest,
    limits: ImageLimits,
    caller: Caller,
    deadline: Deadline,
    timeline: Timeline,
    reply: Limits = DEFAULT_LIMITS,
) -> Query:
    """Check all that can be checked without decoding the image. reply: bounds of what is sent of the encoder's inside.

    Raises InvalidRequest naming the field that cannot be used.
    """
    if not 0 <= ask.min_probability <= 1:
        raise InvalidRequest("min_probability", f"{ask.min_probability:g}", "0 to 1")
    if ask.min_probability and manifest.activation == "none":
        raise InvalidRequest("min_probability", f"{ask.min_probability:g}", "0: this model's answers are plain values")
    spec = None if ask.maps is None else plan(ask.maps, manifest)
    answered = min(ask.top_k, len(manifest.labels))
    internals = None if ask.internals is None else select(ask.internals, manifest, reply, answered)
    keep_photo = spec is not None and spec.rendering is not None and spec.rendering.kind == "overlay"
    image, data, at_once = ask.image, ask.image.data, False
    form: tuple[Hashable, ...] = (keep_photo,)
    prepare: Callable[[], Prepared]
    cost: Callable[[], Cost]
    if isinstance(image, EncodedImage):
        prepare = job = DecodeJob(data, manifest.input, manifest.tokens, limits, keep_photo)
        cost = partial(predict_file, job)
    else:
        shape, at_once = (image.width, image.height, image.preprocessed), image.preprocessed
        cost = partial(predict_raw, *shape, manifest.input, limits.max_pixels)
        form = (*shape, keep_photo)
        prepare = partial(prepare_raw, data, *shape, manifest.input, manifest.tokens, limits, keep_photo)
    return Query(
        caller,
        ask.size,
        data,
        form,
        prepare,
        cost,
        at_once,
        ask.top_k,
        ask.min_probability,
        spec,
        deadline,
        timeline,
        spec.targets.columns if spec and spec.targets else (BEST,),
        internals,
    )


def of_prepared(query: Query, prepared: Prepared | None, classes: tuple[int, ...]) -> Query:
    """Return the query of another graph for an image that is `prepared` already; without that, from the start."""
    again = replace(query, classes=classes, timeline=Timeline())
    if prepared is None:
        return again
    return replace(again, prepare=lambda: prepared, at_once=True, _cost=_NOTHING)
