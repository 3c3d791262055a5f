"""A stand-in for TensorRT: the part of its Python module that runs plans, on `HostCuda`.

It checks every rule that users of the real one can break: the order of calls, shapes within the plan's ranges,
buffers that exist and are large enough, one thread at a time, contexts destroyed before their engine and the engine
before the runtime, and a context unchanged after a graph was captured from it. Broken rules are collected in
`violations`. test_recording compares the classes with the real bindings. Each output row is a function of its own row
of pixels, exact in float32.
"""

import json
import threading
import weakref
from enum import IntEnum
from typing import Any

import numpy as np
from cuda.bindings import runtime as real

from tests.server.engines.host_cuda import HostCuda
from tests.server.engines.host_state import Refused, Stream
from tests.server.engines.tensorrt.recipe import INDICES, Recipe, Shape, answers
from vitscope.server.engines.classes import MOST_CLASSES, TARGETS


class DataType(IntEnum):
    FLOAT = 0
    HALF = 1
    UINT8 = 5
    INT64 = 8


class TensorIOMode(IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class ExecutionContextAllocationStrategy(IntEnum):
    STATIC = 0
    ON_PROFILE_CHANGE = 1
    USER_MANAGED = 2


class LayerInformationFormat(IntEnum):
    ONELINE = 0
    JSON = 1


class ILogger:
    class Severity(IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def __init__(self) -> None: ...


class TensorRt:
    """Stands for the module."""

    DataType, TensorIOMode, ILogger = DataType, TensorIOMode, ILogger
    ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy
    LayerInformationFormat = LayerInformationFormat

    def __init__(self, cuda: HostCuda, context: "type[IExecutionContext] | None" = None) -> None:
        self.cuda, self.context = cuda, context or IExecutionContext
        self.contexts: weakref.WeakSet[IExecutionContext] = weakref.WeakSet()
        self.ended: list[str] = []
        self.logger: Any = None

    @property
    def violations(self) -> list[str]:
        return self.cuda.violations

    def Runtime(self, logger: ILogger) -> "Runtime":
        if not self.cuda.gpus:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self.logger = logger
        return Runtime(self)

    def error(self, text: str) -> None:
        self.logger.log(ILogger.Severity.ERROR, text)

    def follow(self, thing: Any, name: str) -> "weakref.WeakSet[Any]":
        """Record the end of an object. Objects made from it belong in the result, and must have ended before."""
        made: weakref.WeakSet[Any] = weakref.WeakSet()

        def ended() -> None:
            self.ended.append(name)
            if len(made):
                self.violations.append(f"the {name} was destroyed before what came from it")

        weakref.finalize(thing, ended).atexit = False
        return made


class Runtime:
    def __init__(self, trt: TensorRt) -> None:
        self._trt = trt
        self._engines = trt.follow(self, "runtime")

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "ICudaEngine | None":
        try:
            recipe = Recipe(**json.loads(serialized_engine))
        except ValueError:
            self._trt.error("Error Code 6: API Usage Error (the plan was written by another version, please rebuild)")
            return None
        engine = ICudaEngine(self._trt, recipe)
        self._engines.add(engine)
        return engine


class ICudaEngine:
    def __init__(self, trt: TensorRt, recipe: Recipe) -> None:
        self._trt, self._recipe, self._device = trt, recipe, trt.cuda.device
        self._made = trt.follow(self, "engine")

    @property
    def num_io_tensors(self) -> int:
        return len(self._recipe.inputs) + len(self._recipe.outputs)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._recipe.ranges)

    @property
    def device_memory_size_v2(self) -> int:
        return self._recipe.scratch

    def get_tensor_name(self, index: int) -> str:
        return [*self._recipe.inputs, *self._recipe.outputs][index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._recipe.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        if name in (INDICES, TARGETS):
            return DataType.INT64
        return DataType.UINT8 if name in self._recipe.inputs else DataType[self._recipe.output_dtype]

    def get_tensor_shape(self, name: str) -> Shape:
        if name == TARGETS:
            return (-1, -1)
        return (-1, *(self._recipe.pixels if name in self._recipe.inputs else self._recipe.outputs[name]))

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Shape]:
        if name not in self._recipe.inputs:
            raise AssertionError("profiles have shapes of inputs only")
        return [(n, *self._recipe.pixels) for n in self._recipe.ranges[profile_index]]

    def create_execution_context(self, strategy: ExecutionContextAllocationStrategy) -> "IExecutionContext | None":
        if self._device != self._trt.cuda.device:
            self._trt.violations.append("a context made on another GPU than its engine's")
        assert strategy == ExecutionContextAllocationStrategy.USER_MANAGED, "the one that is modelled"
        context = self._trt.context(self._trt, self._recipe)
        self._made.add(context)
        return context

    def create_engine_inspector(self) -> "EngineInspector":
        inspector = EngineInspector(self._recipe)
        self._made.add(inspector)
        return inspector


class EngineInspector:
    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def get_engine_information(self, format: LayerInformationFormat) -> str:
        assert format == LayerInformationFormat.JSON, "the one that is modelled"
        return json.dumps({"Layers": [{"Name": name} for name in self._recipe.layers]})


class IExecutionContext:
    def __init__(self, trt: TensorRt, recipe: Recipe) -> None:
        self._trt, self._recipe, self._device = trt, recipe, trt.cuda.device
        self._scratch = self._scratch_size = self._profile = 0
        self._shape: Shape | None = None
        self._classes: Shape | None = None
        self._addresses: dict[str, int] = {}
        self._fresh = True  # its next run cannot be captured
        self._version = 0
        self._busy = threading.Lock()
        trt.contexts.add(self)
        trt.follow(self, "context")

    def _changed(self) -> None:
        self._version += 1
        self._fresh = True

    def set_device_memory(self, memory: int, size: int) -> None:
        self._changed()
        self._scratch, self._scratch_size = memory, size

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._changed()
        self._shape = None
        if not 0 <= profile_index < len(self._recipe.ranges):
            return False
        self._profile = profile_index
        return True

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        self._changed()
        least, _, most = self._recipe.ranges[self._profile]
        if name == TARGETS and name in self._recipe.inputs and least <= shape[0] <= most:
            self._classes = shape
            return 1 <= shape[1] <= MOST_CLASSES
        if name not in self._recipe.inputs or shape[1:] != tuple(self._recipe.pixels) or not least <= shape[0] <= most:
            self._trt.error(f"{name} of {shape} is outside of profile {self._profile}: {least} to {most}")
            return False
        self._shape = shape
        return True

    def infer_shapes(self) -> list[str]:
        set_ = {TARGETS: self._classes}
        return [name for name in self._recipe.inputs if set_.get(name, self._shape) is None]

    def get_tensor_shape(self, name: str) -> Shape:
        batch = self._shape[0] if self._shape else -1
        columns = self._classes[1] if self._classes else -1
        if name == TARGETS:
            return (batch, columns)
        row = self._recipe.pixels if name in self._recipe.inputs else self._recipe.outputs[name]
        return (batch, *(columns if length == -1 else length for length in row))

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._changed()
        self._addresses[name] = memory
        return name in {*self._recipe.inputs, *self._recipe.outputs}

    def execute_async_v3(self, stream_handle: int) -> bool:
        if not self._busy.acquire(blocking=False):
            self._trt.violations.append("a context used by two threads")
            return False
        try:
            with self._trt.cuda.lock:
                return self._enqueue(stream_handle)
        except Refused as refusal:
            self._trt.error(f"CUDA says {refusal.error.name}")
            return False
        finally:
            self._busy.release()

    def _enqueue(self, stream_handle: int) -> bool:
        cuda = self._trt.cuda
        assert stream_handle, "the default stream would wait for all others"
        stream = cuda.stream(stream_handle)
        if cuda.last_error != real.cudaError_t.cudaSuccess:
            self._trt.error(f"after a launch: {cuda.last_error.name}")
            return False
        missing = {*self._recipe.inputs, *self._recipe.outputs} - self._addresses.keys()
        if self._shape is None or missing or self._scratch_size < self._recipe.scratch:
            raise cuda.violate(f"a run without shapes, scratch memory or addresses of {missing}")
        if self._fresh or not self._recipe.capturable:
            cuda.invalidate(stream)
        self._fresh = False
        self._regions()
        version, me = self._version, weakref.ref(self)

        def compute() -> None:
            context = me()
            if context is None or context._version != version:
                raise cuda.violate("a graph launched whose context was changed or destroyed")
            context._compute(stream)

        stream.add(compute)
        return True

    def _regions(self) -> dict[str, np.ndarray]:
        cuda = self._trt.cuda
        cuda.region(self._scratch, self._recipe.scratch, "device")
        itemsize = {name: 1 if name in self._recipe.inputs else 4 for name in self._addresses}
        itemsize |= {name: 8 for name in (TARGETS, INDICES) if name in itemsize}
        sizes = {name: int(np.prod(self.get_tensor_shape(name))) * itemsize[name] for name in self._addresses}
        return {name: cuda.region(address, sizes[name], "device") for name, address in self._addresses.items()}

    def _compute(self, stream: Stream) -> None:
        regions = self._regions()
        pixels = regions[self._recipe.inputs[0]].reshape(self.get_tensor_shape(self._recipe.inputs[0]))
        classes = (
            regions[TARGETS].view(np.int64).reshape(self.get_tensor_shape(TARGETS)) if TARGETS in regions else None
        )
        outputs = {name: tuple(row) for name, row in self._recipe.outputs.items()}
        for name, values in answers(pixels, outputs, classes).items():
            regions[name][:] = values.reshape(-1).view(np.uint8)


MODELLED = (
    DataType,
    TensorIOMode,
    ExecutionContextAllocationStrategy,
    LayerInformationFormat,
    ILogger,
    Runtime,
    ICudaEngine,
    EngineInspector,
    IExecutionContext,
)
