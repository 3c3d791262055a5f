"""Photos in, top 5 out: the server, the limits of this machine and the plain servers, in each round."""

from contextlib import ExitStack
from functools import partial

from bench import servers
from bench.limits import EngineSetup, back_to_back, combined_rate, decode_rate, engine_rate
from bench.models import Model
from bench.photos import payloads
from bench.run import Run
from bench.servers import Server
from vitscope.loadtest.generator import Load

# Clients at which servers are compared with one another and with the limits, and the other points of the curve.
COMPARED = 32
CURVE = (1, 8, 128)


def clients_title(clients: int) -> str:
    """Return the name of a closed loop in records."""
    return "1 client" if clients == 1 else f"{clients} clients"


def measure(run: Run) -> None:
    for name in run.effort.models:
        _measure(run, run.model(name))


def _measure(run: Run, model: Model) -> None:
    alone = run.best_setups(model, partial(engine_rate, model.graph))
    beside = run.best_setups(model, partial(combined_rate, model.bundle.path, model.graph, model.jpegs))
    with ExitStack() as running:
        started = {
            "vitscope": running.enter_context(servers.vitscope(model, *servers.UNBOUNDED)),
            "informed": running.enter_context(servers.informed(model)),
            "plain": running.enter_context(servers.plain(model)),
        }
        for round_ in run.rounds():
            _limits(run, model, alone, beside, round_)
            for subject, server in started.items():
                _drive(run, model, subject, server, COMPARED, round_)
            # One round of the plain servers' curves is enough: they are only drawn.
            for subject, server in started.items() if round_ == 0 else [("vitscope", started["vitscope"])]:
                for clients in CURVE:
                    _drive(run, model, subject, server, clients, round_)


def _drive(run: Run, model: Model, subject: str, server: Server, clients: int, round_: int) -> None:
    seconds = run.seconds(model)
    load = Load(server.address, payloads(model.jpegs), seconds, warm_up=max(1.0, seconds / 4), clients=clients)
    run.drive(model, subject, clients_title(clients), server, load, round_)


def _limits(run: Run, model: Model, alone: list[EngineSetup], beside: list[EngineSetup], round_: int) -> None:
    seconds, bundle = run.seconds(model) / 2, model.bundle.path
    engine, setup = max((run.limit(engine_rate, model.graph, s, seconds).images, s) for s in alone)
    run.record(model, "limit", "engine", round_, rate=engine, streams=setup.streams, batch=setup.batch)
    decode = run.limit(decode_rate, bundle, model.jpegs, seconds).images
    run.record(model, "limit", "decode", round_, rate=decode)
    computed = back_to_back(engine, decode)
    run.record(model, "limit", "back to back", round_, rate=computed)
    together, setup = max(
        (run.limit(combined_rate, bundle, model.graph, model.jpegs, s, seconds).images, s) for s in beside
    )
    run.record(model, "limit", "together", round_, rate=together, streams=setup.streams, batch=setup.batch)
    run.record(model, "limit", "combined", round_, rate=max(computed, together))
