"""The declaration of TensorRT as an engine of the server."""

from vitscope.server.engines.contract import Engine
from vitscope.server.engines.kind import EngineKind, EngineSpec
from vitscope.server.engines.replicas import gpu_profiles, on_every_gpu
from vitscope.server.engines.tensorrt import bindings, build


def _open(spec: EngineSpec) -> Engine:
    return on_every_gpu(lambda gpu: build.open_plan(spec, gpu), spec.profiles)


KIND = EngineKind(
    name=bindings.NAME,
    precisions=bindings.PRECISIONS,
    why_not=bindings.why_not,
    identity=build.identity,
    profiles=gpu_profiles,
    open=_open,
    is_built=build.is_built,
    gated=True,
)
