"""Measures which engine, of those that may serve a graph, is fastest on this machine, and in which profiles."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vitscope.bundle import CLASSIFY, Bundle
from vitscope.server.engines import processor
from vitscope.server.engines.cache import EngineCache, Key
from vitscope.server.engines.choose import Choice
from vitscope.server.engines.contract import Engine, Profile
from vitscope.server.engines.load import open_engine
from vitscope.server.host.incidents import new_id, see_log
from vitscope.server.models.errors import LoadAbandoned
from vitscope.server.models.measure import Bench, measure
from vitscope.server.scheduling.cost import CostModel

log = structlog.get_logger()

OpenEngine = Callable[[Choice, Sequence[Profile]], Engine]

# A smaller ratio is noise, and the option that was measured first stays.
_MIN_SPEEDUP = 1.03


class Timing(BaseModel):
    """Seconds of a run by batch size in one profile, with all of its streams busy."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    streams: int = Field(ge=1)
    threads: int = Field(ge=1)
    seconds: dict[Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(min_length=1)

    @property
    def profile(self) -> Profile:
        return Profile(self.streams, self.threads)


class Tuning(BaseModel):
    """The fastest engine ("openvino/bf16"), its timings (latency profile first, throughput profile last, or one that is
    both), and a summary of the comparisons."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    engine: str
    timings: tuple[Timing, ...] = Field(min_length=1, max_length=2)
    reason: str

    @property
    def profiles(self) -> list[Profile]:
        return [timing.profile for timing in self.timings]


def find_fastest(
    bundle: Bundle,
    choices: Sequence[Choice],
    threads: int,
    max_batch: int,
    cache: EngineCache,
    recall: bool = True,
    stopping: Callable[[], bool] = lambda: False,
) -> Tuning:
    """Return the fastest way to run the bundle's classify graph: as the cache has it from an earlier start on such a
    machine (if `recall`), or measured now.

    Raises what opening an engine raises, and LoadAbandoned once `stopping` returns True.
    """
    key = _key(bundle, choices, threads, max_batch)
    content = cache.read(key) if recall else None
    if content is not None:
        try:
            return Tuning.model_validate_json(content)
        except ValidationError as error:
            log.warning("cached tuning ignored; it is measured anew", reason=str(error))
    log.info("measuring engines; this is done once on each kind of machine", options=[str(c) for c in choices])

    def opening(choice: Choice, profiles: Sequence[Profile]) -> Engine:
        return open_engine(bundle, CLASSIFY, choice, profiles, max_batch, cache)

    tuning = Tuner(opening, stopping).tune(choices, threads)
    cache.write(key, tuning.model_dump_json().encode())
    return tuning


def _key(bundle: Bundle, choices: Sequence[Choice], threads: int, max_batch: int) -> Key:
    """Return the cache key: everything that the result depends on."""
    engines = [
        {**asdict(choice.kind.identity(choice.precision)), "arithmetic": choice.arithmetic} for choice in choices
    ]
    return {
        "kind": "tuning 1",
        "graph": CLASSIFY,
        "files": hashlib.sha256(json.dumps(bundle.manifest.files, sort_keys=True).encode()).hexdigest(),
        "engines": engines,
        "processor": processor.instruction_sets(processor.flags()),
        "threads": threads,
        "max_batch": max_batch,
    }


@dataclass(frozen=True)
class Option:
    """An engine that may serve, in one profile."""

    choice: Choice
    profile: Profile

    def __str__(self) -> str:
        return f"{self.choice} {self.profile.streams}×{self.profile.threads}"


class Tuner:
    """Compares options, two at a time, so that no more than two engines are in memory."""

    def __init__(
        self,
        opening: OpenEngine,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._opening, self._stopping, self._clock = opening, stopping, clock
        self._measured: dict[Option, dict[int, float]] = {}
        self._findings: list[str] = []

    def tune(self, choices: Sequence[Choice], threads: int) -> Tuning:
        """Measure the first choice with more and more streams, while that is faster; then the other choices with that
        number of streams, skipping those that cannot run.

        Raises LoadAbandoned, and what opening the engine of the first choice raises.
        """
        alone, *more = choices[0].kind.profiles(threads)
        best = Option(choices[0], alone)
        for profile in more:
            challenger = Option(best.choice, profile)
            if not self._faster(challenger, best):
                break
            best = challenger
        for choice in choices[1:]:
            possible = choice.kind.profiles(threads)
            challenger = Option(choice, best.profile if best.profile in possible else possible[-1])
            try:
                if self._faster(challenger, best):
                    best = challenger
            except LoadAbandoned:
                raise
            except Exception as error:  # whatever an engine raises: another one that can serve is measured already
                error_id = new_id()
                log.warning("engine cannot be used", option=str(challenger), reason=str(error), error_id=error_id)
                self._findings.append(see_log(f"{challenger} cannot be used", error_id))
        options = list(dict.fromkeys([Option(best.choice, alone), best]))
        if missing := [option for option in options if option not in self._measured]:
            self._measure(missing)
        timings = tuple(
            Timing(streams=o.profile.streams, threads=o.profile.threads, seconds=self._measured[o]) for o in options
        )
        return Tuning(engine=str(best.choice), timings=timings, reason="; ".join(self._findings))

    def _faster(self, challenger: Option, incumbent: Option) -> bool:
        self._measure([incumbent, challenger])
        new, old = (_Rate(option.profile, self._measured[option]) for option in (challenger, incumbent))
        ratio = new.images_per_second / old.images_per_second
        self._findings.append(f"{challenger} measured {ratio:.2f} times as fast as {incumbent}")
        # At the same rate, fewer images in flight wait less.
        return ratio >= _MIN_SPEEDUP or (ratio > 1 / _MIN_SPEEDUP and 2 * new.in_flight <= old.in_flight)

    def _measure(self, options: Sequence[Option]) -> None:
        with ExitStack() as opened:
            benches = []
            for option in options:
                engine = self._opening(option.choice, [option.profile])
                opened.callback(engine.close)
                benches.append(Bench(engine, clock=self._clock))
            measure(benches, self._stopping)
        self._measured.update({option: bench.seconds for option, bench in zip(options, benches, strict=True)})


class _Rate:
    """Images per second of a profile at its best batch size, and the images in flight that this takes."""

    def __init__(self, profile: Profile, seconds: dict[int, float]) -> None:
        best = CostModel(seconds).best_batch
        self.in_flight = profile.streams * best
        self.images_per_second = self.in_flight / seconds[best]
