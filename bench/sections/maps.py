"""The cost of maps: the same load without maps, with the default map, and with those that further graphs make."""

from itertools import islice

from bench import servers
from bench.models import Model
from bench.photos import payloads
from bench.run import Run
from vitscope.loadtest.generator import Load
from vitscope.v1 import maps_pb2

MODELS = ("vit-ti", "vit-b")
KINDS = {
    "no maps": None,
    "last layer": maps_pb2.MapOptions(),
    "all layers": maps_pb2.MapOptions(all_layers=True),
    "evidence, 1 class": maps_pb2.MapOptions(method=maps_pb2.MAP_METHOD_EVIDENCE),
    "evidence, 5 classes": maps_pb2.MapOptions(method=maps_pb2.MAP_METHOD_EVIDENCE, top_classes=5),
    "rollout": maps_pb2.MapOptions(method=maps_pb2.MAP_METHOD_ROLLOUT),
}
OWN_GRAPHS = ("all layers", "evidence, 1 class", "evidence, 5 classes", "rollout")
_CLIENTS = 32


def measure(run: Run) -> None:
    for name in MODELS:
        if name in run.effort.models:
            _measure(run, run.model(name))


def _measure(run: Run, model: Model) -> None:
    sent = {kind: payloads(model.jpegs, maps) for kind, maps in KINDS.items()}
    with servers.vitscope(model, *servers.UNBOUNDED) as server:
        # The first such request compiles the graph.
        for kind in OWN_GRAPHS:
            first = Load(server.address, tuple(islice(sent[kind], 1)), seconds=0.5, warm_up=0, clients=1)
            run.start(first, f"{model.name}: loading the graph of {kind}").result()
        # Twice as many rounds as elsewhere, to find differences of one or two per cent.
        for round_ in range(2 * run.effort.rounds):
            for kind in KINDS if round_ % 2 == 0 else reversed(KINDS):
                load = Load(server.address, sent[kind], run.seconds(model), clients=_CLIENTS)
                run.drive(model, "vitscope", kind, server, load, round_)
