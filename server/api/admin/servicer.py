"""The gRPC methods of vitscope.v1.AdminService."""

from typing import Any

from vitscope.server.api.models import to_summary
from vitscope.server.models.repository import Repository
from vitscope.server.models.survey import Key
from vitscope.server.models.watch import Watcher
from vitscope.v1 import admin_pb2, admin_pb2_grpc, model_pb2


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Turns messages into orders to the watcher, and their results into messages."""

    def __init__(self, watcher: Watcher, repository: Repository) -> None:
        self._watcher, self._repository = watcher, repository

    async def ListVersions(  # noqa: N802
        self, request: admin_pb2.ListVersionsRequest, context: Any
    ) -> admin_pb2.ListVersionsResponse:
        rest = await self._watcher.unloaded()
        versions = {model.key: to_summary(model) for model in self._repository}
        versions |= {key: _unloaded(key, why) for key, why in rest.items()}
        return admin_pb2.ListVersionsResponse(models=[versions[key] for key in sorted(versions)])

    async def LoadModel(  # noqa: N802
        self, request: admin_pb2.LoadModelRequest, context: Any
    ) -> admin_pb2.LoadModelResponse:
        return admin_pb2.LoadModelResponse(model=to_summary(await self._watcher.load(request.model, request.version)))

    async def UnloadModel(  # noqa: N802
        self, request: admin_pb2.UnloadModelRequest, context: Any
    ) -> admin_pb2.UnloadModelResponse:
        models = await self._watcher.unload(request.model, request.version)
        return admin_pb2.UnloadModelResponse(models=[_unloaded(model.key, "unloaded by hand") for model in models])

    async def ReloadModel(  # noqa: N802
        self, request: admin_pb2.ReloadModelRequest, context: Any
    ) -> admin_pb2.ReloadModelResponse:
        models = await self._watcher.reload(request.model, request.version)
        return admin_pb2.ReloadModelResponse(models=[to_summary(model) for model in models])


def _unloaded(key: Key, why: str) -> model_pb2.ModelSummary:
    return model_pb2.ModelSummary(name=key[0], version=key[1], state=model_pb2.MODEL_STATE_UNLOADED, state_detail=why)
