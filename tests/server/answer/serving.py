"""The whole server without a transport: real bundles on real engines, scheduler, decode pool and metrics."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tests.server.engines.graphs import HEIGHT, WIDTH
from vitscope.server.answer.answer import Answer
from vitscope.server.answer.ask import Ask, RawImage
from vitscope.server.answer.classifier import Classifier
from vitscope.server.answer.deadline import Deadline
from vitscope.server.answer.decoding import Decoding
from vitscope.server.answer.service import Limits, Service
from vitscope.server.engines.choose import Wanted
from vitscope.server.host.loops import call_soon
from vitscope.server.images.limits import ImageLimits
from vitscope.server.metrics import Metrics
from vitscope.server.models.loader import EngineSettings
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel
from vitscope.server.scheduling.admission import Admission
from vitscope.server.scheduling.scheduler import Scheduler

LIMITS = ImageLimits(max_bytes=10**6, max_pixels=10**6, max_frames=10)


class Serving:
    """A service over a repository that is still empty. On the running event loop."""

    def __init__(
        self,
        cache: Path,
        engine: str = "auto",
        max_in_flight: int = 1000,
        on_change: Callable[[ServedModel], None] = lambda model: None,
    ) -> None:
        self.metrics = Metrics()
        self.scheduler = Scheduler(
            observe=self.metrics.engines.batch_ran, hand_over=partial(call_soon, asyncio.get_running_loop())
        )
        self.decoding = Decoding(1)
        self.admission = Admission(
            self.scheduler, self.decoding.threads, max_in_flight, 10**8, 60, refused=self.metrics.load.refused
        )
        self.classifier = Classifier(self.admission, self.decoding, self.scheduler, self.metrics)
        self.settings = EngineSettings(Wanted(engine, "auto", False), threads=2, max_batch=2, cache=cache)
        self.repository = Repository(self.scheduler, self.settings, on_change)
        self.service = Service(self.repository, self.classifier, Limits(LIMITS, 10**6), self.metrics)

    async def load(self, bundle: Path) -> ServedModel:
        """Serve a bundle."""
        model = self.repository.create(bundle)
        self.repository.replace(model)
        await model.load()
        return model

    async def ask(self, ask: Ask, bulk: bool = False, peer: str = "somebody", seconds: float | None = None) -> Answer:
        """Answer one question of `peer`, within so many seconds."""
        return await self.service.answer(ask, self.service.callers.find(peer, bulk), Deadline.within(seconds))

    def counted(self, code: str) -> float:
        """Return how many images of all models ended with this code."""
        families = {family.name: family for family in self.metrics.registry.collect()}
        samples = families["vitscope_requests"].samples
        return sum(sample.value for sample in samples if sample.labels.get("code") == code)

    async def close(self) -> None:
        self.scheduler.close()
        await self.repository.close()
        self.decoding.close()


def numbered(number: int, model: str = "a") -> Ask:
    """Return an `Ask` whose image differs from that of every other number."""
    pixels = np.full((HEIGHT, WIDTH, 3), number % 256, np.uint8)
    pixels[0, 0] = (number // 256 % 256, number // 2**16, 7)
    return Ask(RawImage(pixels.tobytes(), WIDTH, HEIGHT, preprocessed=True), size=1, model=model, top_k=1)
