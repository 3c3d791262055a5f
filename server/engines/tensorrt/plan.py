"""A plan that TensorRT has loaded: its inputs and outputs, and contexts to run it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from vitscope.server.engines.classes import TARGETS
from vitscope.server.engines.cuda import DeviceBuffer, Stream
from vitscope.server.engines.tensorrt.layers import fused_attention, inspected
from vitscope.server.engines.tensorrt.messages import Messages

log = structlog.get_logger()


class TensorRtError(Exception):
    """TensorRT refused a plan or a run; the message holds TensorRT's own messages."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a plan; `row` is its shape without the batch, with -1 for the classes to explain."""

    name: str
    row: tuple[int, ...]
    dtype: type[np.generic] = np.float32

    def batch(self, n: int, columns: int = 1) -> tuple[int, ...]:
        """Return its shape for `n` rows and `columns` classes."""
        return (n, *(columns if length < 0 else length for length in self.row))


class LoadedPlan:
    """A plan for the selected GPU. Any thread may use it.

    trt: the TensorRT module. plan: what `builder.build` made. buckets: the batch sizes that it is needed for. Raises
    TensorRtError for a plan that cannot be loaded, lacks a bucket, or is not one of uint8 pixels in and float32 out.

    pixels: the input tensor. classes: the second one, of a graph that explains classes. outputs: the other tensors.
    scratch: bytes of GPU memory that a context needs while it runs.
    fused_attention: in how many of the graph's layers the whole attention is one kernel; None where TensorRT does not
    say.
    uncapturable: buckets, by size and number of classes, of which no CUDA graph could be made.
    """

    def __init__(self, trt: Any, plan: bytes, buckets: Sequence[int]) -> None:
        self.trt, self.buckets = trt, tuple(buckets)
        self.uncapturable: set[tuple[int, int]] = set()
        self._runtime, self._engine = _load(trt, plan)
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def _read(self) -> None:
        trt = self.trt
        self.scratch: int = self._engine.device_memory_size_v2
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        images = [name for name in inputs if name != TARGETS]
        if len(images) != 1:
            raise TensorRtError(
                f"inputs of the plan: found {', '.join(inputs) or 'none'}; needed: the pixels alone, or with {TARGETS}"
            )
        self.pixels = self._tensor(images[0], (trt.DataType.UINT8,))
        explains = TARGETS in inputs
        self.classes = self._tensor(TARGETS, (trt.DataType.INT64,), explains) if explains else None
        kinds = (trt.DataType.FLOAT, trt.DataType.INT64) if explains else (trt.DataType.FLOAT,)
        self.outputs = tuple(self._tensor(name, kinds, explains) for name in names if name not in inputs)
        self._ranges = {bucket: self._range(bucket) for bucket in self.buckets}
        self.fused_attention = self._count_fused_attention()

    def _tensor(self, name: str, dtypes: Sequence[Any], explains: bool = False) -> Tensor:
        """Return a tensor. explains: its second axis may be that of the classes."""
        trt = self.trt
        types: dict[Any, type[np.generic]] = {
            trt.DataType.UINT8: np.uint8,
            trt.DataType.FLOAT: np.float32,
            trt.DataType.INT64: np.int64,
        }
        found, (batch, *row) = self._engine.get_tensor_dtype(name), tuple(self._engine.get_tensor_shape(name))
        fixed = row[1:] if explains and row[:1] == [-1] else row
        if found not in dtypes or batch != -1 or min(fixed, default=1) < 1:
            raise TensorRtError(
                f"{name} of the plan: found {found.name} {[batch, *row]}; needed: "
                f"{' or '.join(dtype.name for dtype in dtypes)}, with -1 for the batch alone"
                + (" or for the classes after it" if explains else "")
            )
        return Tensor(name, tuple(row), types[found])

    def _range(self, bucket: int) -> int:
        """Return the index of the narrowest optimisation profile that covers a bucket."""
        ranges = []
        for index in range(self._engine.num_optimization_profiles):
            least, _, most = self._engine.get_tensor_profile_shape(self.pixels.name, index)
            ranges.append((least[0], most[0], index))
        fitting = [(most - least, index) for least, most, index in ranges if least <= bucket <= most]
        if not fitting:
            built = ", ".join(f"{least} to {most}" for least, most, _ in ranges)
            raise TensorRtError(f"a batch of {bucket} is in none of the plan's ranges: {built}")
        return min(fitting)[1]

    def context(
        self, bucket: int, stream: Stream, scratch: DeviceBuffer, addresses: Mapping[str, int], columns: int = 1
    ) -> Any:
        """Create an execution context that is ready to run a bucket, with so many classes to explain.

        scratch: `self.scratch` bytes; contexts that never run at the same time can share it. addresses: where each
        tensor is on the GPU. Raises TensorRtError.
        """
        trt = self.trt
        with Messages(trt) as messages:
            context = self._engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
            demand(context is not None, messages, "TensorRT made no execution context")
            context.set_device_memory(scratch.handle, self.scratch)
            took = context.set_optimization_profile_async(self._ranges[bucket], int(stream.handle))
            demand(took, messages, f"TensorRT took no optimisation profile for a batch of {bucket}")
            shape = self.pixels.batch(bucket)
            demand(
                context.set_input_shape(self.pixels.name, shape), messages, f"TensorRT took no pixels of shape {shape}"
            )
            if self.classes is not None:
                shape = self.classes.batch(bucket, columns)
                took = context.set_input_shape(self.classes.name, shape)
                demand(took, messages, f"TensorRT took no classes of shape {shape}")
            try:
                missing = context.infer_shapes()
            except RuntimeError as error:
                raise TensorRtError(
                    messages.explain(f"TensorRT could not tell the shapes of its outputs: {error}")
                ) from error
            demand(not missing, messages, f"TensorRT could not tell the shapes of its outputs without {missing}")
            for output in self.outputs:
                found = tuple(context.get_tensor_shape(output.name))
                demand(
                    found == output.batch(bucket, columns),
                    messages,
                    f"{output.name} is {found} for a batch of {bucket}",
                )
            for name, address in addresses.items():
                demand(context.set_tensor_address(name, address), messages, f"TensorRT took no buffer for {name}")
        return context

    def _count_fused_attention(self) -> int | None:
        try:
            inspector = self._engine.create_engine_inspector()
            information = inspector.get_engine_information(self.trt.LayerInformationFormat.JSON)
            return fused_attention(inspected(information), self._engine.num_optimization_profiles)
        except Exception as error:  # whatever it is: a plan whose layers are unknown can serve
            log.warning("the layers of a TensorRT plan cannot be read", reason=str(error))
            return None

    def close(self) -> None:
        """Unload the plan. Its contexts must have been destroyed before."""
        self._engine = None
        self._runtime = None


def demand(met: bool, messages: Messages, complaint: str) -> None:
    """Raise TensorRtError with TensorRT's messages unless `met`: some of its calls report failure by their value."""
    if not met:
        raise TensorRtError(messages.explain(complaint))


def _load(trt: Any, plan: bytes) -> tuple[Any, Any]:
    """Return TensorRT's runtime, which has to outlive what it loads, and the engine."""
    with Messages(trt) as messages:
        try:
            runtime = trt.Runtime(messages.logger)
        except TypeError as error:  # what the bindings make of a null pointer
            raise TensorRtError(messages.explain("TensorRT does not start")) from error
        engine = runtime.deserialize_cuda_engine(plan)
        demand(engine is not None, messages, f"TensorRT does not load the plan of {len(plan)} bytes")
    return runtime, engine
