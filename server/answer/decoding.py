"""Where an image is decoded, and where maps are drawn."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from PIL import Image

from vitscope.server.decoding.host import Decoders, IsolatedDecode
from vitscope.server.decoding.job import DEFAULT_BUDGET, Budget, DecodeJob
from vitscope.server.host.cpu import give_way
from vitscope.server.host.memory import available_memory
from vitscope.server.images.cost import Cost
from vitscope.server.images.geometry import Geometry
from vitscope.server.images.prepare import Prepared
from vitscope.server.maps.map import Map
from vitscope.server.maps.render import Canvas, Rendered
from vitscope.server.maps.rendering import RenderingSpec
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.decoders import DecodePool

# Seconds, of a prediction that is an upper bound. What is decoded on a thread is never interrupted, so it must be sure
# to end soon: a photo of 12 megapixels is, which takes a quarter of its bound.
_SOON = 0.4
# Seconds to draw a pixel, and to compress it as PNG.
_DRAWN_PIXEL = 1e-7
# Shares of the memory: of one process, of all processes, and of all decode threads.
_OF_PROCESS, _OF_PROCESSES, _OF_THREADS = 1 / 4, 1 / 2, 1 / 8


class Decoding:
    """Decides by the predicted cost. Small and certain: a decode thread. Anything else: a process that can be ended.

    threads: decode threads. budget: of an image in a process; its bytes are lowered to a part of the memory that there
    is, and so is the number of processes at a time. ended: called with the reason of each decode that was ended.
    """

    def __init__(
        self,
        threads: int,
        budget: Budget = DEFAULT_BUDGET,
        ended: Callable[[str], None] = lambda reason: None,
        memory: int | None = None,
    ) -> None:
        memory = memory or available_memory()
        most = min(budget.bytes, int(memory * _OF_PROCESS))
        processes = max(2, min(threads, int(memory * _OF_PROCESSES) // most))
        self._most_on_threads = int(memory * _OF_THREADS) // threads
        self.budget = Budget(budget.seconds, most)
        self._decoders = Decoders(self.budget, ended)
        self.template = self._decoders.template
        self.threads = DecodePool(threads)
        # Half of the processes for one caller, so that nobody else waits for its slow images.
        self.processes = DecodePool(processes, "process", per_caller=math.ceil(processes / 2))
        self.drawing = DecodePool(max(1, threads // 2), "draw", begin=give_way)

    def pool(self, cost: Cost) -> DecodePool:
        """Return the pool that decodes an image of this cost."""
        return self.threads if self._soon(cost) else self.processes

    def isolated(
        self, cost: Cost, prepare: Callable[[], Prepared], deadline: Callable[[], float]
    ) -> IsolatedDecode | None:
        """Return the decode in a process, not begun; None if `prepare` is to be called on a thread.

        deadline: returns monotonic seconds, which may be extended meanwhile.
        """
        if self._soon(cost) or not isinstance(prepare, DecodeJob):
            return None
        return self._decoders.start(prepare, deadline)

    async def draw(
        self, caller: Caller, maps: Sequence[Map], spec: RenderingSpec, geometry: Geometry, photo: Image.Image | None
    ) -> list[Rendered]:
        """Draw the maps one by one, so that other callers get their turn between two. Cancelling ends it there.

        Raises InvalidRequest as `Canvas` does.
        """
        canvas = Canvas(spec, geometry, photo)
        seconds = canvas.size[0] * canvas.size[1] * _DRAWN_PIXEL
        return [await self.drawing.run(caller, partial(canvas.draw, one), seconds) for one in maps]

    def close(self) -> None:
        """End all decoding and drawing. What has not begun is dropped."""
        self._decoders.close()
        for pool in (self.processes, self.drawing, self.threads):
            pool.close()

    def _soon(self, cost: Cost) -> bool:
        return cost.certain and cost.seconds <= _SOON and cost.bytes <= self._most_on_threads
