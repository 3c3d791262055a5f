"""An `Ask` that has been checked against its model."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

from vitscope.bundle import Manifest
from vitscope.server.answer.ask import Ask, EncodedImage
from vitscope.server.answer.deadline import Deadline
from vitscope.server.decoding.job import DecodeJob
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.cost import Cost, predict
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_raw
from vitscope.server.maps.methods import plan
from vitscope.server.maps.spec import MapSpec
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.timeline import Timeline

# Seconds for each pixel that a caller sends undecoded: it is copied and resized.
_RAW_SECONDS = 4e-9
_RAW_BYTES = 4


@dataclass(slots=True)
class Query:
    """One image and what the stages need to know of it.

    caller: who asks; items of a stream wait where a single request would be refused. size: bytes of the image. image:
    the bytes of the image. form: everything else that the result of `prepare` depends on; queries with equal image and
    form share one decode and one inference. prepare: turns the bytes into pixels, on a decode thread or in a process
    (see `Decoding`), or on the event loop if that takes next to no time (`at_once`). top_k, min_probability: see `Ask`.
    maps: None for no maps.
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
    deadline: Deadline
    timeline: Timeline
    _cost: Cost | None = None

    @property
    def cost(self) -> Cost:
        """What `prepare` will cost, predicted when it is first asked for."""
        if self._cost is None:
            if isinstance(self.prepare, DecodeJob):
                self._cost = predict(self.image, self.prepare.limits)
            else:
                pixels = self.size // 3
                self._cost = Cost(1e-4 + pixels * _RAW_SECONDS, pixels * _RAW_BYTES, True)
        return self._cost


def to_query(
    ask: Ask, manifest: Manifest, limits: ImageLimits, caller: Caller, deadline: Deadline, timeline: Timeline
) -> Query:
    """Check all that can be checked without decoding the image.

    Raises InvalidRequest naming the field that cannot be used.
    """
    if not 0 <= ask.min_probability <= 1:
        raise InvalidRequest("min_probability", f"{ask.min_probability:g}", "0 to 1")
    spec = None if ask.maps is None else plan(ask.maps, manifest)
    keep_photo = spec is not None and spec.rendering is not None and spec.rendering.kind == "overlay"
    image, data, at_once = ask.image, ask.image.data, False
    form: tuple[Hashable, ...] = (keep_photo,)
    prepare: Callable[[], Prepared]
    if isinstance(image, EncodedImage):
        prepare = DecodeJob(data, manifest.input, manifest.tokens, limits, keep_photo)
    else:
        shape, at_once = (image.width, image.height, image.preprocessed), image.preprocessed
        form = (*shape, keep_photo)
        prepare = partial(prepare_raw, data, *shape, manifest.input, manifest.tokens, limits, keep_photo)
    return Query(
        caller, ask.size, data, form, prepare, at_once, ask.top_k, ask.min_probability, spec, deadline, timeline
    )
