"""ONNX Runtime on the CPU, in float32: the reference that runs everywhere."""

import os
from pathlib import Path

import numpy as np

from server.engines.contract import Identity, Outputs, Precision

NAME = "onnxruntime"


def why_not(precision: Precision) -> str | None:
    """None where this machine can run ONNX Runtime at `precision`, else the reason in a few words."""
    if precision != "f32":
        return f"onnxruntime has no {precision} kernels for the CPU"
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        return f"onnxruntime cannot be imported ({error})"
    return None


class OnnxRuntimeEngine:
    """One ONNX graph in an inference session. Raises onnxruntime's own exceptions for a graph that it cannot load."""

    def __init__(self, graph: Path, threads: int, max_batch: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Idle threads that spin would take the processor from the decode threads.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(os.fspath(graph), options, providers=["CPUExecutionProvider"])
        (pixels,) = self._session.get_inputs()
        self._input_shape = tuple(pixels.shape[1:])
        self._input, self._outputs = pixels.name, [output.name for output in self._session.get_outputs()]
        self.max_batch = max_batch
        self.identity = Identity(NAME, onnxruntime.__version__, "f32", "CPU")

    def slot(self) -> "OnnxRuntimeSlot":
        return OnnxRuntimeSlot(self, np.zeros((self.max_batch, *self._input_shape), np.uint8))

    def run(self, pixels: np.ndarray) -> Outputs:
        return dict(zip(self._outputs, self._session.run(self._outputs, {self._input: pixels}), strict=True))

    def close(self) -> None:
        del self._session


class OnnxRuntimeSlot:
    """A buffer; sessions take any number of concurrent runs."""

    def __init__(self, engine: OnnxRuntimeEngine, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self._engine = engine

    def run(self, n: int) -> Outputs:
        return self._engine.run(self.pixels[:n])
