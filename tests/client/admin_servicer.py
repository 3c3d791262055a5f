"""A small real AdminService on a socket; the name of the model tells it how to fail."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from vitscope.v1 import admin_pb2, admin_pb2_grpc, model_pb2

UNREADABLE = "the models folder models cannot be read, or is empty; see the server's log"

FAILURES = {
    "": (grpc.StatusCode.INVALID_ARGUMENT, "model: empty; accepted: the name of a model"),
    "none": (grpc.StatusCode.NOT_FOUND, "no model 'none' in the models folder; there is fashion"),
    "broken": (grpc.StatusCode.FAILED_PRECONDITION, "broken/1/certificate.json: changed since the export"),
    "away": (grpc.StatusCode.UNAVAILABLE, UNREADABLE),
}


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Has fashion/1, and fashion/2 in its folder. Loading the model "slow" takes until the call ends."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, int]] = []
        self.began = threading.Event()
        self.ended = threading.Event()

    def ListVersions(self, request: admin_pb2.ListVersionsRequest, context: Any) -> admin_pb2.ListVersionsResponse:
        models = [ready("fashion", 1), unloaded("fashion", 2)]
        if self.began.is_set():
            loading = model_pb2.MODEL_STATE_LOADING
            models.append(model_pb2.ModelSummary(name="slow", version=3, state=loading, state_detail="compiling"))
        return admin_pb2.ListVersionsResponse(models=models)

    def LoadModel(self, request: admin_pb2.LoadModelRequest, context: Any) -> admin_pb2.LoadModelResponse:
        self._check("load", request, context)
        if request.model == "slow":
            ended = threading.Event()
            context.add_callback(ended.set)
            self.began.set()
            ended.wait(30)
            self.ended.set()
        return admin_pb2.LoadModelResponse(model=ready(request.model, request.version or 2))

    def UnloadModel(self, request: admin_pb2.UnloadModelRequest, context: Any) -> admin_pb2.UnloadModelResponse:
        self._check("unload", request, context)
        return admin_pb2.UnloadModelResponse(models=[unloaded(request.model, request.version or 1)])

    def ReloadModel(self, request: admin_pb2.ReloadModelRequest, context: Any) -> admin_pb2.ReloadModelResponse:
        self._check("reload", request, context)
        versions = [request.version] if request.version else [1, 2]
        return admin_pb2.ReloadModelResponse(models=[ready(request.model, version) for version in versions])

    def _check(self, action: str, request: Any, context: Any) -> None:
        self.calls.append((action, request.model, request.version))
        if request.model in FAILURES:
            context.abort(*FAILURES[request.model])


def ready(name: str, version: int) -> model_pb2.ModelSummary:
    return model_pb2.ModelSummary(name=name, version=version, state=model_pb2.MODEL_STATE_READY, engine="openvino/bf16")


def unloaded(name: str, version: int) -> model_pb2.ModelSummary:
    return model_pb2.ModelSummary(
        name=name, version=version, state=model_pb2.MODEL_STATE_UNLOADED, state_detail="unloaded by hand"
    )


@contextmanager
def serving_admin(servicer: AdminServicer) -> Iterator[str]:
    """Serve it in threads; yield host:port."""
    server = grpc.server(ThreadPoolExecutor(4))
    admin_pb2_grpc.add_AdminServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
