"""ONNX Runtime on an NVIDIA GPU: serves where TensorRT cannot, and while its plan is being built.

It is there in two forms. "onnxruntime-cuda" runs the graphs as they are exported; in "onnxruntime-cuda-fused" each
layer's attention is one node. Which of the two is faster is measured.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vitscope.server.engines import cuda
from vitscope.server.engines.batches import buckets
from vitscope.server.engines.classes import TARGETS, class_buffer
from vitscope.server.engines.contract import Engine, Identity, Outputs, Precision, Profile
from vitscope.server.engines.kind import EngineKind, EngineSpec
from vitscope.server.engines.onnxruntime import open_session
from vitscope.server.engines.replicas import gpu_profiles, on_every_gpu

NAME, FUSED = "onnxruntime-cuda", "onnxruntime-cuda-fused"
_PRECISIONS: tuple[Precision, ...] = ("f16", "f32")
PROVIDER = "CUDAExecutionProvider"
_TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int64)": np.int64}


def why_not(precision: Precision) -> str | None:
    """Return None where this machine can run ONNX Runtime at `precision` on a GPU, else the reason in a few words."""
    if precision not in _PRECISIONS:
        return f"onnxruntime is not used in {precision} on a GPU"
    try:
        import onnxruntime
    except ImportError as error:
        return f"onnxruntime cannot be imported ({error})"
    if PROVIDER not in onnxruntime.get_available_providers():
        return "this onnxruntime was built without CUDA; onnxruntime-gpu, installed in its place, has it"
    return cuda.why_no_gpu(precision)


def identity(precision: Precision, device: int = 0, name: str = NAME) -> Identity:
    """Return the identity of an engine of this precision, in either form, on one of this machine's GPUs."""
    import onnxruntime

    return Identity(name, onnxruntime.__version__, precision, cuda.devices()[device].name)


class OnnxRuntimeCudaEngine:
    """One ONNX graph in one session on one GPU, for batches of 1, 2, 4, … up to `max_batch`; smaller ones are padded.
    What is bound for a number of classes to explain is made when it is first asked for.

    graph: the float32 graph; for f16 it is converted. fused_layers: how many layers' attention becomes one node each:
    all of the model's, or 0 for none. device: index of the GPU. provider: another one than CUDA's, for machines
    without a GPU. Raises onnxruntime's own exceptions for a graph that it cannot load, RuntimeError where it would
    silently have fallen back to the processor, NotFused or OpsetError for a graph without a fused form.
    """

    def __init__(
        self,
        graph: Path,
        profiles: Sequence[Profile],
        max_batch: int,
        identity: Identity,
        fused_layers: int = 0,
        device: int = 0,
        provider: str = PROVIDER,
    ) -> None:
        self._session = _session(graph, identity.precision, fused_layers, device, provider)
        self._place = ("cuda", device) if provider == PROVIDER else ("cpu", 0)
        self.max_batch, self.profiles, self.identity = max_batch, tuple(profiles), identity

    def slot(self) -> "OnnxRuntimeCudaSlot":
        return OnnxRuntimeCudaSlot(self._session, self._place, self.max_batch)

    def close(self) -> None:
        self._session = None


class OnnxRuntimeCudaSlot:
    """Buffers here and, for each batch size, tensors on the GPU that stay bound from run to run: no run allocates.

    classes: None for a graph that explains none.
    """

    def __init__(self, session: Any, place: tuple[str, int], max_batch: int) -> None:
        inputs = {one.name: one for one in session.get_inputs()}
        self.classes = class_buffer(max_batch) if inputs.pop(TARGETS, None) else None
        (pixels,) = inputs.values()
        self.pixels = np.zeros((max_batch, *pixels.shape[1:]), np.uint8)
        self._session, self._place, self._sizes = session, place, buckets(max_batch)
        self._bound: dict[int, list[_Bound]] = {1: self._bind(1)}

    def run(self, n: int, profile: int = 0, columns: int = 1) -> Outputs:
        if columns not in self._bound:
            self._bound[columns] = self._bind(columns)
        bound = next(bound for bound in self._bound[columns] if bound.size >= n)
        # Rows beyond n hold what an earlier batch left; images of a batch do not influence one another.
        inputs = [self.pixels[: bound.size]]
        if self.classes is not None:
            inputs.append(np.ascontiguousarray(self.classes[: bound.size, :columns]))
        return {name: values[:n] for name, values in bound.run(inputs).items()}

    def _bind(self, columns: int) -> "list[_Bound]":
        return [_Bound(self._session, self._place, size, columns) for size in self._sizes]


class _Bound:
    """A session's inputs and outputs for batches of one size, and one number of classes to explain."""

    def __init__(self, session: Any, place: tuple[str, int], size: int, columns: int) -> None:
        from onnxruntime import OrtValue

        self.size, self._session, self._binding = size, session, session.io_binding()

        def tensor(of: Any) -> Any:
            # The batch comes first; the only other axis without a length is that of the classes.
            rest = [length if isinstance(length, int) else columns for length in of.shape[1:]]
            return OrtValue.ortvalue_from_shape_and_type((size, *rest), _TYPES[of.type], *place)

        self._inputs = []
        for one in sorted(session.get_inputs(), key=lambda one: one.name == TARGETS):  # the pixels first
            self._inputs.append(tensor(one))
            self._binding.bind_ortvalue_input(one.name, self._inputs[-1])
        self._outputs = {}
        for output in session.get_outputs():
            value = self._outputs[output.name] = tensor(output)
            self._binding.bind_ortvalue_output(output.name, value)

    def run(self, inputs: Sequence[np.ndarray]) -> Outputs:
        for bound, values in zip(self._inputs, inputs, strict=True):
            bound.update_inplace(values)
        self._session.run_with_iobinding(self._binding)
        # Copies: the next run overwrites the bound memory.
        return {name: np.array(value.numpy()) for name, value in self._outputs.items()}


def _session(graph: Path, precision: Precision, fused_layers: int, device: int, provider: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    settings = {"device_id": device, "use_tf32": 0, "arena_extend_strategy": "kSameAsRequested"}
    providers = [(provider, settings if provider == PROVIDER else {})]
    with tempfile.TemporaryDirectory() as folder:
        changed = fused_layers or precision != "f32"
        path = _rewritten(graph, precision, fused_layers, Path(folder)) if changed else graph
        session = open_session(path, options, providers)
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"onnxruntime could not use {provider}; the libraries of CUDA 13 and a driver are needed")
    return session


def _rewritten(graph: Path, precision: Precision, fused_layers: int, folder: Path) -> Path:
    # Servers without a GPU need not have onnx.
    import onnx

    from vitscope.server.engines.onnx.attention import with_attention_nodes
    from vitscope.server.engines.onnx.precision import retype, write

    path, model = folder / "graph.onnx", onnx.load(graph)
    if fused_layers:
        model = with_attention_nodes(model, fused_layers)
    write(retype(model, "f16") if precision == "f16" else model, path)
    return path


def _open(spec: EngineSpec, name: str) -> Engine:
    fused_layers = spec.bundle.manifest.layers if name == FUSED else 0

    def open_on(gpu: int) -> Engine:
        found = identity(spec.precision, gpu, name)
        return OnnxRuntimeCudaEngine(spec.path, spec.profiles, spec.max_batch, found, fused_layers, gpu)

    return on_every_gpu(open_on, spec.profiles)


def _kind(name: str, form_of: str | None) -> EngineKind:
    return EngineKind(
        name=name,
        precisions=_PRECISIONS,
        why_not=why_not,
        identity=partial(identity, name=name),
        profiles=gpu_profiles,
        open=partial(_open, name=name),
        gated=True,
        form_of=form_of,
    )


KIND = _kind(NAME, form_of=None)
FUSED_KIND = _kind(FUSED, form_of=NAME)
