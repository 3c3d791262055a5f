"""The standard health service (grpc.health.v1), overall and per model, and the same answers for HTTP probes.

Services: "" is the server, "<model>" is a model in any version, "<model>/<version>" is one version.
"""

import asyncio

from grpc_health.v1 import health, health_pb2

from vitscope.server.models.repository import Repository
from vitscope.server.models.status import State

_STATUS = {True: health_pb2.HealthCheckResponse.SERVING, False: health_pb2.HealthCheckResponse.NOT_SERVING}


class Health:
    """Health of the server and of each model. `ready` is what "" reports."""

    def __init__(self) -> None:
        self.servicer = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._started = self._can_serve = False
        self._reported: dict[str, bool] = {}
        self._updates: set[asyncio.Task[None]] = set()
        self._set("", False)

    @property
    def ready(self) -> bool:
        return self._started and self._can_serve

    def started(self) -> None:
        """Report the server as a whole from now on: serving while any model is."""
        self._started = True
        self._set("", self.ready)

    def models_changed(self, repository: Repository) -> None:
        """Report the state of every model version and every model. Removed ones are reported as not serving."""
        up = dict.fromkeys(self._reported.keys() - {""}, False)
        for model in repository:
            up[str(model)] = ready = model.state is State.READY
            up[model.name] = ready or up.get(model.name, False)
        self._can_serve = any(up.values())
        up[""] = self.ready
        for service, ready in up.items():
            self._set(service, ready)

    async def shut_down(self) -> None:
        """Report everything as not serving, for good, also to watchers."""
        self._started = False
        await self.servicer.enter_graceful_shutdown()

    def _set(self, service: str, up: bool) -> None:
        """Report one service if its status has changed: each report goes to all watchers."""
        if self._reported.get(service) is up:
            return
        self._reported[service] = up
        task = asyncio.get_running_loop().create_task(self.servicer.set(service, _STATUS[up]))
        self._updates.add(task)
        task.add_done_callback(self._updates.discard)
