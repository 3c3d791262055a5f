"""ONNX Runtime on the CPU, in float32: the reference that runs everywhere."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitscope.server.engines.classes import TARGETS, class_buffer
from vitscope.server.engines.contract import Identity, Outputs, Precision, Profile
from vitscope.server.engines.kind import EngineKind, EngineSpec

NAME = "onnxruntime"


def why_not(precision: Precision) -> str | None:
    """Return None where this machine can run ONNX Runtime at `precision`, else the reason in a few words."""
    if precision != "f32":
        return f"onnxruntime has no {precision} kernels for the CPU"
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        return f"onnxruntime cannot be imported ({error})"
    return None


def identity(precision: Precision = "f32") -> Identity:
    """Return the identity of an engine on this machine."""
    import onnxruntime

    return Identity(NAME, onnxruntime.__version__, precision, "CPU")


class OnnxRuntimeEngine:
    """One ONNX graph, in an inference session for each profile.

    Raises onnxruntime's own exceptions for a graph that it cannot load, ValueError for a profile of several streams
    with
    several threads each: the runs of a session share its threads.
    """

    def __init__(self, graph: Path, profiles: Sequence[Profile], max_batch: int) -> None:
        self._sessions = [_session(graph, profile) for profile in profiles]
        inputs = self._sessions[0].get_inputs()
        (pixels,) = (one for one in inputs if one.name != TARGETS)
        self._input, self._shape, self._explains = pixels.name, tuple(pixels.shape[1:]), len(inputs) > 1
        self._outputs = [output.name for output in self._sessions[0].get_outputs()]
        self.max_batch, self.profiles = max_batch, tuple(profiles)
        self.identity = identity()

    def slot(self) -> "OnnxRuntimeSlot":
        classes = class_buffer(self.max_batch) if self._explains else None
        return OnnxRuntimeSlot(self, np.zeros((self.max_batch, *self._shape), np.uint8), classes)

    def run(self, pixels: np.ndarray, profile: int, classes: np.ndarray | None = None) -> Outputs:
        feeds = {self._input: pixels} if classes is None else {self._input: pixels, TARGETS: classes}
        arrays = self._sessions[profile].run(self._outputs, feeds)
        return dict(zip(self._outputs, arrays, strict=True))

    def close(self) -> None:
        self._sessions.clear()


class OnnxRuntimeSlot:
    """Its buffers; sessions take any number of concurrent runs. classes: None for a graph that explains none."""

    def __init__(self, engine: OnnxRuntimeEngine, pixels: np.ndarray, classes: np.ndarray | None) -> None:
        self.pixels, self.classes = pixels, classes
        self._engine = engine

    def run(self, n: int, profile: int = 0, columns: int = 1) -> Outputs:
        if self.classes is None:
            return self._engine.run(self.pixels[:n], profile)
        return self._engine.run(self.pixels[:n], profile, np.ascontiguousarray(self.classes[:n, :columns]))


def _session(graph: Path, profile: Profile) -> Any:
    import onnxruntime

    if profile.streams > 1 and profile.threads > 1:
        raise ValueError(f"{profile}; accepted: one stream, or streams of one thread")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = profile.threads
    options.inter_op_num_threads = 1
    # Idle threads that spin would take the processor from the decode threads.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return open_session(graph, options, ["CPUExecutionProvider"])


def open_session(graph: Path, options: Any, providers: Sequence[Any]) -> Any:
    """Open a session with a copy of the weights that lie beside the graph.

    By default their file is mapped, and whoever overwrites it changes the answers, or ends the process (SIGBUS).
    """
    import onnxruntime

    named = graph.read_bytes()
    files = [
        file for file in graph.parent.iterdir() if file != graph and file.is_file() and file.name.encode() in named
    ]
    contents = [np.fromfile(file, np.uint8) for file in files]
    options.add_external_initializers_from_files_in_memory(
        [file.name for file in files], contents, [len(content) for content in contents]
    )
    return onnxruntime.InferenceSession(os.fspath(graph), options, providers=providers)


def _profiles(threads: int) -> list[Profile]:
    """Return one stream of all threads and streams of one thread each: the runs of a session share its threads."""
    return [Profile(streams, threads // streams) for streams in sorted({1, threads})]


def _open(spec: EngineSpec) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(spec.path, spec.profiles, spec.max_batch)


KIND = EngineKind(name=NAME, precisions=("f32",), why_not=why_not, identity=identity, profiles=_profiles, open=_open)
