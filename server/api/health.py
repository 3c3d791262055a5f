"""The standard health service (grpc.health.v1), overall and per model, and the same answers for HTTP probes.

Services: "" is the server, "<model>" is a model in any version, "<model>/<version>" is one version.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from vitscope.server.errors import ModelNotFound
from vitscope.server.models.repository import Repository
from vitscope.server.models.status import State

_STATUS = {
    up: health_pb2.HealthCheckResponse(status=status)
    for up, status in (
        (True, health_pb2.HealthCheckResponse.SERVING),
        (False, health_pb2.HealthCheckResponse.NOT_SERVING),
        (None, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN),
    )
}


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Health of the server and of each model. `ready` is what "" reports.

    Each watcher reads the newest status by itself, so that one who reads nothing holds up nobody.
    """

    def __init__(self) -> None:
        self._started = self._can_serve = self._shut_down = False
        self._up: dict[str, bool] = {"": False}
        self._changed = asyncio.Event()

    @property
    def ready(self) -> bool:
        return self._started and self._can_serve

    def started(self) -> None:
        """Report the server as a whole from now on: serving while any model is."""
        self._started = True
        self._report({"": self.ready})

    def models_changed(self, repository: Repository) -> None:
        """Report the state of every model version and every model. Removed ones are reported as not serving."""
        up = dict.fromkeys(self._up.keys() - {""}, False)
        for model in repository:
            up[str(model)] = ready = model.state is State.READY
            up[model.name] = ready or up.get(model.name, False)
        self._can_serve = any(up.values())
        self._report({**up, "": self.ready})

    def shut_down(self) -> None:
        """Report everything as not serving, for good, also to watchers."""
        self._started = False
        self._report(dict.fromkeys(self._up, False))
        self._shut_down = True

    async def Check(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        if request.service not in self._up:
            raise ModelNotFound(f"service: {request.service!r} is not known; Health/List has those that are")
        return _STATUS[self._up[request.service]]

    async def List(  # noqa: N802
        self, request: health_pb2.HealthListRequest, context: Any
    ) -> health_pb2.HealthListResponse:
        statuses = {service: _STATUS[up] for service, up in self._up.items()}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        told: list[bool | None] = []
        while True:
            changed, up = self._changed, self._up.get(request.service)
            if told != [up]:
                told = [up]
                yield _STATUS[up]
            else:
                await changed.wait()

    def _report(self, up: dict[str, bool]) -> None:
        if self._shut_down or up.items() <= self._up.items():
            return
        self._up |= up
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
