"""Latency by load: Poisson arrivals at shares of the capacity, counted from the scheduled arrival."""

from statistics import median

from bench import servers
from bench.limits import EngineSetup, engine_rate
from bench.models import Model
from bench.photos import payloads
from bench.run import Run
from bench.sections.capacity import capacity
from vitscope.loadtest.generator import Load

SHARES = (50, 80, 95)
MODELS = ("vit-ti", "vit-b")


def measure(run: Run) -> None:
    for name in MODELS:
        if name in run.effort.models:
            _measure(run, run.model(name))


def _measure(run: Run, model: Model) -> None:
    sent, capacities = payloads(model.jpegs), list[float]()
    with servers.vitscope(model, *servers.UNBOUNDED) as unbounded, servers.vitscope(model) as server:
        for round_ in run.rounds():
            one = run.limit(engine_rate, model.graph, EngineSetup(streams=1, batch=1), 1.0)
            run.record(model, "engine", "one image", round_, run_ms=one.seconds * 1000)
            capacities.append(capacity(run, model, unbounded, sent, round_))
            for share in SHARES:
                rate = median(capacities) * share / 100
                load = Load(server.address, sent, run.effort.poisson_seconds, rate=rate, seed=100 * round_ + share)
                run.drive(model, "vitscope", f"{share} %", server, load, round_)
