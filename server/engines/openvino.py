"""OpenVINO on the CPU: the default engine, because it uses bf16 and int8 where the processor has them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from vitscope.server.engines import processor
from vitscope.server.engines.classes import MOST_CLASSES, TARGETS, class_buffer
from vitscope.server.engines.contract import Identity, Outputs, Precision, Profile
from vitscope.server.engines.kind import EngineKind, EngineSpec

NAME = "openvino"


@cache
def _core() -> Any:
    import openvino

    core = openvino.Core()
    # By default the file of the weights is mapped, and whoever overwrites it changes the answers, or ends the process
    # (SIGBUS).
    core.set_property({"ENABLE_MMAP": False})
    return core


def why_not(precision: Precision) -> str | None:
    """Return None where this machine can run OpenVINO at `precision`, else the reason in a few words."""
    try:
        capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except ImportError as error:
        return f"openvino cannot be imported ({error})"
    except RuntimeError as error:
        return f"openvino has no CPU device ({error})"
    if precision == "bf16" and "BF16" not in capabilities:
        return "the processor has no bf16 instructions"
    if precision == "int8" and not processor.has_int8(processor.flags()):
        return "the processor has no int8 dot products (VNNI, AMX or i8mm)"
    return None


def identity(precision: Precision) -> Identity:
    """Return the identity of an engine of this precision on this machine."""
    import openvino

    device = _core().get_property("CPU", "FULL_DEVICE_NAME").strip()
    return Identity(NAME, openvino.get_version().split("-")[0], precision, device)


class OpenVinoEngine:
    """One ONNX graph compiled for the CPU, once for each profile.

    arithmetic: "f32" or "bf16", the type that floating-point operations are computed in. It differs from `precision`
    for int8, whose operations are in the graph. Raises RuntimeError (from OpenVINO) for a graph that it cannot compile.
    """

    def __init__(
        self, graph: Path, precision: Precision, arithmetic: str, profiles: Sequence[Profile], max_batch: int
    ) -> None:
        import openvino

        core = _core()
        model = core.read_model(graph)
        names = [one.get_any_name() for one in model.inputs]
        (name,) = (name for name in names if name != TARGETS)
        shape = tuple(dimension.get_length() for dimension in list(model.input(name).get_partial_shape())[1:])
        batch = openvino.Dimension(1, max_batch)
        shapes = {name: openvino.PartialShape([batch, *shape])}
        self._explains = TARGETS in names
        if self._explains:
            shapes[TARGETS] = openvino.PartialShape([batch, openvino.Dimension(1, MOST_CLASSES)])
        model.reshape(shapes)
        self._compiled = [
            core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": arithmetic, **_properties(profile)})
            for profile in profiles
        ]
        self._outputs = [output.get_any_name() for output in self._compiled[0].outputs]
        self._input, self._buffer = name, (max_batch, *shape)
        self.max_batch, self.profiles = max_batch, tuple(profiles)
        self.identity = identity(precision)

    def slot(self) -> "OpenVinoSlot":
        requests = [compiled.create_infer_request() for compiled in self._compiled]
        slot = ExplainingOpenVinoSlot if self._explains else OpenVinoSlot
        return slot(requests, self._input, np.zeros(self._buffer, np.uint8), self._outputs)

    def close(self) -> None:
        self._compiled.clear()


class OpenVinoSlot:
    """An infer request for each profile; all read the slot's buffer in place."""

    def __init__(self, requests: Sequence[Any], name: str, pixels: np.ndarray, outputs: Sequence[str]) -> None:
        import openvino

        self.pixels = pixels
        self._requests, self._name, self._outputs = requests, name, outputs
        self._inputs = [openvino.Tensor(pixels[:n], shared_memory=True) for n in range(1, len(pixels) + 1)]

    def run(self, n: int, profile: int = 0) -> Outputs:
        request = self._requests[profile]
        request.set_tensor(self._name, self._inputs[n - 1])
        return self._infer(request)

    def _infer(self, request: Any) -> Outputs:
        request.infer()
        # Copies: the next run of the request overwrites its memory, while replies are still being made of these.
        return {name: request.get_output_tensor(i).data.copy() for i, name in enumerate(self._outputs)}


class ExplainingOpenVinoSlot(OpenVinoSlot):
    """A slot of a graph that explains classes."""

    def __init__(self, requests: Sequence[Any], name: str, pixels: np.ndarray, outputs: Sequence[str]) -> None:
        super().__init__(requests, name, pixels, outputs)
        self.classes = class_buffer(len(pixels))

    def run(self, n: int, profile: int = 0, columns: int = 1) -> Outputs:
        import openvino

        request = self._requests[profile]
        request.set_tensor(self._name, self._inputs[n - 1])
        request.set_tensor(TARGETS, openvino.Tensor(np.ascontiguousarray(self.classes[:n, :columns])))
        return self._infer(request)


def _properties(profile: Profile) -> dict[str, object]:
    return {
        "NUM_STREAMS": profile.streams,
        "INFERENCE_NUM_THREADS": profile.streams * profile.threads,
        "PERFORMANCE_HINT": "LATENCY" if profile.streams == 1 else "THROUGHPUT",
        # The thread plan counts the CPUs that this process may use; pinning would take the host's first ones.
        "ENABLE_CPU_PINNING": False,
    }


def _profiles(threads: int) -> list[Profile]:
    """Return every division into streams of equally many threads."""
    return [Profile(streams, threads // streams) for streams in range(1, threads + 1) if threads % streams == 0]


def _open(spec: EngineSpec) -> OpenVinoEngine:
    return OpenVinoEngine(spec.path, spec.precision, spec.arithmetic, spec.profiles, spec.max_batch)


KIND = EngineKind(
    name=NAME,
    precisions=("int8", "bf16", "f32"),
    why_not=why_not,
    identity=identity,
    profiles=_profiles,
    open=_open,
)
