"""The gRPC methods of vitscope.v1.AdminService."""

from typing import Any

from vitscope.server.api.models import to_summary
from vitscope.server.models.control import ModelControl
from vitscope.server.models.key import ModelKey
from vitscope.server.models.repository import Repository
from vitscope.server.models.served import ServedModel
from vitscope.v1 import admin_pb2, admin_pb2_grpc, model_pb2


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Turns messages into calls of the model control, and their results into messages."""

    def __init__(self, control: ModelControl, repository: Repository) -> None:
        self._control, self._repository = control, repository

    async def ListVersions(  # noqa: N802
        self, request: admin_pb2.ListVersionsRequest, context: Any
    ) -> admin_pb2.ListVersionsResponse:
        rest = await self._control.unserved()
        versions = {model.key: _summary(model) for model in self._repository}
        versions |= {key: _unloaded(key, why) for key, why in rest.items()}
        return admin_pb2.ListVersionsResponse(models=[versions[key] for key in sorted(versions)])

    async def LoadModel(  # noqa: N802
        self, request: admin_pb2.LoadModelRequest, context: Any
    ) -> admin_pb2.LoadModelResponse:
        return admin_pb2.LoadModelResponse(model=_summary(await self._control.load(request.model, request.version)))

    async def UnloadModel(  # noqa: N802
        self, request: admin_pb2.UnloadModelRequest, context: Any
    ) -> admin_pb2.UnloadModelResponse:
        models = await self._control.unload(request.model, request.version)
        return admin_pb2.UnloadModelResponse(models=[_unloaded(model.key, "unloaded by hand") for model in models])

    async def ReloadModel(  # noqa: N802
        self, request: admin_pb2.ReloadModelRequest, context: Any
    ) -> admin_pb2.ReloadModelResponse:
        models = await self._control.reload(request.model, request.version)
        return admin_pb2.ReloadModelResponse(models=[_summary(model) for model in models])


def _summary(model: ServedModel) -> model_pb2.ModelSummary:
    return to_summary(model, model.detail)


def _unloaded(key: ModelKey, why: str) -> model_pb2.ModelSummary:
    return model_pb2.ModelSummary(
        name=key.name, version=key.version, state=model_pb2.MODEL_STATE_UNLOADED, state_detail=why
    )
