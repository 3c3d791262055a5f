"""The standard health service (grpc.health.v1), overall and per model, and the same answers for HTTP probes.

Services: "" is the server, "<model>" is a model in any version, "<model>/<version>" is one version.
"""

import asyncio

from grpc_health.v1 import health, health_pb2

from server.models.repository import Repository
from server.models.served import State

_STATUS = {True: health_pb2.HealthCheckResponse.SERVING, False: health_pb2.HealthCheckResponse.NOT_SERVING}


class Health:
    """Health of the server and of each model. `ready` is what "" reports."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self.ready = False
        self._updates: set[asyncio.Task[None]] = set()
        self._set("", False)

    def serving(self, ready: bool) -> None:
        """Report the server as a whole."""
        self.ready = ready
        self._set("", ready)

    def models_changed(self, repository: Repository) -> None:
        """Report every model version, and every model, from their states."""
        any_ready: dict[str, bool] = {}
        for model in repository:
            up = model.state is State.READY
            any_ready[model.name] = any_ready.get(model.name, False) or up
            self._set(str(model), up)
        for name, up in any_ready.items():
            self._set(name, up)

    async def shut_down(self) -> None:
        """Report everything as not serving, for good; watchers are told."""
        self.ready = False
        await self.servicer.enter_graceful_shutdown()

    def _set(self, service: str, up: bool) -> None:
        task = asyncio.get_running_loop().create_task(self.servicer.set(service, _STATUS[up]))
        self._updates.add(task)
        task.add_done_callback(self._updates.discard)
