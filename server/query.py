"""What is asked about one image."""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from vitscope.server.images.prepare import Prepared
from vitscope.server.maps.spec import MapSpec
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.timeline import Timeline

NO_DEADLINE = math.inf


@dataclass(frozen=True, slots=True)
class Query:
    """What to say about one image.

    caller: who asks; a stream's items wait in line where a single request would be refused. size: bytes of the message, held
    until it is answered. image, form: the bytes of the image, and whatever else decides what `prepare` makes of them;
    requests in which both are equal are seen once. prepare: turns the caller's bytes into pixels, on a decode thread unless
    that takes next to no time (`at_once`). top_k: classes to return, from 1. min_probability: 0..1. maps: None asks for
    none. deadline: monotonic seconds, infinite without one.
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
