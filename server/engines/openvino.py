"""OpenVINO on the CPU: the default engine, because it uses bf16 where the processor has it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from server.engines.contract import Identity, Outputs, Precision

NAME = "openvino"


@cache
def _core() -> Any:
    import openvino

    return openvino.Core()


def why_not(precision: Precision) -> str | None:
    """None where this machine can run OpenVINO at `precision`, else the reason in a few words."""
    try:
        capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except ImportError as error:
        return f"openvino cannot be imported ({error})"
    except RuntimeError as error:
        return f"openvino has no CPU device ({error})"
    if precision == "bf16" and "BF16" not in capabilities:
        return "the processor has no bf16 instructions"
    return None


class OpenVinoEngine:
    """One ONNX graph compiled for the CPU. Raises RuntimeError (from OpenVINO) for a graph that it cannot compile."""

    def __init__(self, graph: Path, precision: Precision, threads: int, max_batch: int) -> None:
        import openvino

        core = _core()
        model = core.read_model(graph)
        self._input_shape: tuple[int, ...] = tuple(
            d.get_length() for d in list(model.inputs[0].get_partial_shape())[1:]
        )
        model.reshape([openvino.Dimension(1, max_batch), *self._input_shape])
        self._compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision,
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
                # The planner has counted the CPUs that this process may use; pinning would take the host's first ones.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._outputs = [output.get_any_name() for output in self._compiled.outputs]
        self.max_batch = max_batch
        self.identity = Identity(
            NAME, openvino.get_version().split("-")[0], precision, core.get_property("CPU", "FULL_DEVICE_NAME").strip()
        )

    def slot(self) -> "OpenVinoSlot":
        return OpenVinoSlot(
            self._compiled.create_infer_request(),
            np.zeros((self.max_batch, *self._input_shape), np.uint8),
            self._outputs,
        )

    def close(self) -> None:
        del self._compiled


class OpenVinoSlot:
    """An infer request that reads its slot's buffer in place."""

    def __init__(self, request: Any, pixels: np.ndarray, outputs: list[str]) -> None:
        import openvino

        self.pixels = pixels
        self._request, self._outputs = request, outputs
        self._tensor: Callable[[np.ndarray], Any] = lambda array: openvino.Tensor(array, shared_memory=True)

    def run(self, n: int) -> Outputs:
        self._request.set_input_tensor(self._tensor(self.pixels[:n]))
        self._request.infer()
        # Copies: the request's own memory is overwritten by its next run, while these are still being turned into replies.
        return {name: self._request.get_output_tensor(i).data.copy() for i, name in enumerate(self._outputs)}
