"""A run of the benchmark: effort, worker processes and results, as every section uses them."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, Self, TypeVar

from bench.limits import EngineSetup, Rate, setups
from bench.machine import busy_seconds
from bench.models import Model, prepare
from bench.results import Record, Results, percentiles
from bench.servers import Server
from vitscope.loadtest.generator import Load, LoadResult, generate

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How long to measure. seconds: of one measurement, by model. overload_seconds: of the one long measurement."""

    name: str
    models: tuple[str, ...]
    seconds: dict[str, float]
    rounds: int
    poisson_seconds: float
    overload_seconds: float


QUICK = Effort("quick", ("vit-ti",), {"vit-ti": 1.5}, rounds=2, poisson_seconds=4, overload_seconds=8)
FULL = Effort(
    "full",
    ("vit-ti", "vit-s", "vit-b", "fashion"),
    {"vit-ti": 2.5, "vit-s": 2.5, "vit-b": 6.0, "fashion": 1.5},
    rounds=3,
    poisson_seconds=10,
    overload_seconds=60,
)


class Run:
    """One run of the benchmark. Worker processes: one measures limits, two generate load."""

    def __init__(self, effort: Effort, results: Results, step: Callable[[str], None]) -> None:
        self.effort, self.results, self._step = effort, results, step
        spawn = multiprocessing.get_context("spawn")
        self._limits = ProcessPoolExecutor(1, mp_context=spawn)
        self._load = ProcessPoolExecutor(2, mp_context=spawn)
        self._models: dict[str, Model] = {}
        self.section = ""

    def __enter__(self) -> Self:
        for workers in (self._limits, self._load):
            workers.submit(os.getpid).result()  # starts them now: later it would disturb a measurement
        return self

    def __exit__(self, *_: object) -> None:
        self._limits.shutdown(cancel_futures=True)
        self._load.shutdown(cancel_futures=True)

    def model(self, name: str) -> Model:
        if name not in self._models:
            self._step(f"making {name}, unless an earlier run has")
            self._models[name] = prepare(name)
        return self._models[name]

    def seconds(self, model: Model) -> float:
        """Return the duration of one measurement."""
        return self.effort.seconds.get(model.name, self.effort.seconds["vit-ti"])

    def rounds(self) -> range:
        return range(self.effort.rounds)

    def limit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of bench.limits in its worker process."""
        return self._limits.submit(function, *args, **kwargs).result()

    def best_setups(self, model: Model, rate: Callable[[EngineSetup, float], Rate]) -> list[EngineSetup]:
        """Return the best batch size for each number of streams. Tries each for a quarter of a measurement."""
        self._step(f"{self.section}: {model.name}: looking for the best batches")
        seconds = self.seconds(model) / 4
        return [max(row, key=lambda setup: self.limit(rate, setup, seconds).images) for row in setups()]

    def drive(self, model: Model, subject: str, title: str, server: Server, load: Load, round_: int) -> LoadResult:
        """Send a load to a server. Records its figures, and the CPU time of both sides."""
        server_before, all_before = server.cpu_seconds, busy_seconds()
        result = self.start(load, f"{model.name}: {subject}, {title}").result()
        used, wall = server.cpu_seconds - server_before, result.wall_seconds
        elsewhere = busy_seconds() - all_before - used - result.cpu_seconds
        figures = load_figures(result) | {"server_cores": used / wall, "elsewhere_cores": elsewhere / wall}
        self.record(model, subject, title, round_, **figures, server_rss_mib=server.rss_mib)
        return result

    def start(self, load: Load, title: str) -> Future[LoadResult]:
        """Send a load without waiting for its end, and record nothing."""
        self._step(f"{self.section}: {title}")
        return self._load.submit(generate, load)

    def record(self, model: Model, subject: str, load: str, round_: int, **figures: float) -> None:
        self.results.add(Record(self.section, model.name, subject, load, round_, figures))


def load_figures(result: LoadResult) -> dict[str, float]:
    """Return the figures of a record. `other` counts calls that were neither answered nor refused."""
    figures = {"rate": result.rate, "generator_cores": result.cpu_seconds / result.wall_seconds}
    for name, latencies in (("", result.answered), ("refused_", result.refused), ("lag_", result.lag)):
        figures |= {f"{name}{p}_ms": value for p, value in percentiles(latencies).items()}
    ok, refused = result.codes["OK"], result.codes["RESOURCE_EXHAUSTED"]
    return figures | {"ok": ok, "refused": refused, "other": result.codes.total() - ok - refused}
