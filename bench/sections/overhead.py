"""The service without a model: raw pixels and a graph that computes nothing, against a bare echo of the same bytes."""

from bench import servers
from bench.limits import EngineSetup, engine_rate
from bench.noop import noop_model
from bench.photos import raw_payloads
from bench.run import Run
from vitscope.loadtest.generator import Load

_CLIENTS = 32


def measure(run: Run) -> None:
    model = noop_model(run.model("vit-ti"))
    contract = model.bundle.manifest.input
    sent = raw_payloads(contract.width, contract.height)
    with servers.vitscope(model, *servers.UNBOUNDED) as ours, servers.echo() as echo:
        for round_ in run.rounds():
            one = run.limit(engine_rate, model.graph, EngineSetup(streams=1, batch=1), 0.5)
            run.record(model, "engine", "one image", round_, run_ms=one.seconds * 1000)
            for subject, server in (("vitscope", ours), ("echo", echo)):
                load = Load(server.address, sent, run.seconds(model), clients=_CLIENTS)
                run.drive(model, subject, f"{_CLIENTS} clients", server, load, round_)
