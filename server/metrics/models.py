"""Metrics of models: which serve, how loads ended, and the series of each version until it is removed."""

from vitscope.bundle import CLASSIFY
from vitscope.server.metrics.engines import EngineMetrics
from vitscope.server.metrics.families import VERSION, Families
from vitscope.server.metrics.requests import RequestMetrics
from vitscope.server.models.served import ServedModel
from vitscope.server.models.status import State


class ModelMetrics:
    """Shows the models of a server."""

    def __init__(self, families: Families, engines: EngineMetrics, requests: RequestMetrics) -> None:
        self._families, self._engines, self._requests = families, engines, requests
        self._ready = families.gauge("vitscope_model_ready", "1 where the model version serves, else 0.", VERSION)
        loads = families.counter("vitscope_model_loads", "Loads of model versions, by how they ended.", ("result",))
        # A series that appears only after its first event cannot be alerted on.
        self._loads = {ready: loads.labels("ready" if ready else "failed") for ready in (True, False)}

    def load_ended(self, ready: bool) -> None:
        """Count a load."""
        self._loads[ready].inc()

    def changed(self, model: ServedModel) -> None:
        """Show the state of a model version, its engine, and the results of the gate."""
        ready = model.state is State.READY
        self._ready.labels(model.name, model.version).set(ready)
        self._engines.degraded(model.name, model.version, model.degraded)
        lane = model.open_lane(CLASSIFY)
        if ready and lane and model.choice:
            self._engines.serves(model.name, model.version, lane, model.choice.certified)
        for graph, entry in model.gates.items():
            engine = f"{entry.engine}/{entry.precision}"
            self._engines.gate(model.name, model.version, engine, graph, entry.top1_agreement)

    def retired(self, model: str, version: int) -> None:
        """Show that a version serves no new requests. Its other series stay while requests are in flight on it."""
        self._ready.remove_by_labels({"model": model, "version": str(version)})

    def removed(self, model: str, version: int) -> None:
        """Remove all series of a version, and ignore later events of it."""
        self._families.remove(model, version)
        self._engines.remove(model, version)
        self._requests.remove(model, version)
