"""The CUDA runtime, as far as serving needs it: checked calls, and objects that give back what they took.

Over `cuda.bindings.runtime` (package cuda-bindings), whose functions return an error and values and let other Python threads
run meanwhile. Streams, events and memory belong to the GPU that is selected when they are made; a thread that uses them has to
have selected the same one. Whatever has a `close` is closed once, in any thread, and logs instead of raising: what cannot be
given back must not keep the rest from being given back. Nothing is freed behind the caller's back; a process that ends gives
everything back to the driver anyway.
"""

import contextlib
import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
import structlog

log = structlog.get_logger()


class CudaError(Exception):
    """A call of the CUDA runtime failed. `code` is CUDA's name of the error, such as "cudaErrorMemoryAllocation"."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@cache
def runtime() -> Any:
    """The bindings of the CUDA runtime. Raises ImportError where the package cuda-bindings is missing."""
    from cuda.bindings import runtime

    return runtime


def check(function: Callable[..., tuple[Any, ...]], *arguments: object) -> Any:
    """Call a function of the bindings: its value, a tuple of several, or None. Raises CudaError."""
    error, *values = function(*arguments)
    if error != runtime().cudaError_t.cudaSuccess:
        # An error stays the thread's last one until somebody asks for it. The next to ask would be TensorRT, after a launch
        # of its own that went well.
        runtime().cudaGetLastError()
        raise CudaError(f"{function.__name__}: {error.name} ({_text(error)})", error.name)
    if len(values) > 1:
        return tuple(values)
    return values[0] if values else None


def _text(error: Any) -> str:
    _, text = runtime().cudaGetErrorString(error)
    return text.decode() if text else "no description"


@dataclass(frozen=True)
class Device:
    """A GPU. memory: bytes. multiprocessors: streaming multiprocessors (SMs)."""

    index: int
    name: str
    compute_capability: tuple[int, int]
    memory: int
    multiprocessors: int


def devices() -> list[Device]:
    """The GPUs that this process may use; none where the driver has none.

    Raises CudaError where there is no driver or it does not work, ImportError without cuda-bindings.
    """
    try:
        count = check(runtime().cudaGetDeviceCount)
    except CudaError as error:
        if error.code == "cudaErrorNoDevice":
            return []
        if error.code == "cudaErrorInsufficientDriver":  # also what CUDA says where no driver is installed
            raise CudaError(
                f"no NVIDIA driver, or one too old for CUDA {_dotted(runtime().CUDART_VERSION)} ({error})", error.code
            ) from error
        raise
    return [_device(index) for index in range(count)]


def _device(index: int) -> Device:
    found = check(runtime().cudaGetDeviceProperties, index)
    return Device(
        index,
        found.name.partition(b"\0")[0].decode(),
        (found.major, found.minor),
        found.totalGlobalMem,
        found.multiProcessorCount,
    )


def driver_version() -> str:
    """The newest CUDA that the driver supports, such as "13.0"; "0.0" without a driver. Raises CudaError, ImportError."""
    return _dotted(check(runtime().cudaDriverGetVersion))


def _dotted(version: int) -> str:
    """CUDA numbers its versions 1000 * major + 10 * minor."""
    return f"{version // 1000}.{version % 1000 // 10}"


def select(device: int) -> None:
    """Make a GPU the calling thread's current one. Costs next to nothing where it is that already."""
    check(runtime().cudaSetDevice, device)


class Resource:
    """What CUDA gave and wants back, `free` being the function that takes it. Raises nothing on close."""

    def __init__(self, handle: Any, free: Callable[..., tuple[Any, ...]]) -> None:
        self.handle = handle
        self._free: Callable[..., tuple[Any, ...]] | None = free

    def close(self) -> None:
        """Give it back; later calls do nothing."""
        free, self._free = self._free, None
        if free is None:
            return
        try:
            check(free, self.handle)
        except CudaError as error:
            log.warning("could not be given back to CUDA", reason=str(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stream(Resource):
    """Work for the GPU in order. It does not wait for the default stream, nor that for it."""

    def __init__(self) -> None:
        cuda = runtime()
        super().__init__(check(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking), cuda.cudaStreamDestroy)

    def synchronize(self) -> None:
        """Wait until all its work is done."""
        check(runtime().cudaStreamSynchronize, self.handle)


class Event(Resource):
    """A point in a stream's work, to be waited for without keeping a processor busy. `timing`: also when it was reached."""

    def __init__(self, timing: bool = False) -> None:
        cuda = runtime()
        flags = cuda.cudaEventBlockingSync | (0 if timing else cuda.cudaEventDisableTiming)
        super().__init__(check(cuda.cudaEventCreateWithFlags, flags), cuda.cudaEventDestroy)

    def record(self, stream: Stream) -> None:
        """Put the event behind what `stream` has been given so far."""
        check(runtime().cudaEventRecord, self.handle, stream.handle)

    def wait(self) -> None:
        """Sleep until the stream has come to it. Other Python threads run meanwhile."""
        check(runtime().cudaEventSynchronize, self.handle)

    def since(self, earlier: "Event") -> float:
        """Seconds on the GPU between two events, both with timing and both reached; resolution about 0.5 µs."""
        return float(check(runtime().cudaEventElapsedTime, earlier.handle, self.handle)) / 1e3


class PinnedArray(Resource):
    """Page-locked host memory as a numpy array: the GPU copies from and to it while the processor does other things.

    The array, and every view of it, ends with `close`; it starts with whatever was in that memory.
    """

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        cuda = runtime()
        count = int(np.prod(shape, dtype=np.int64))
        size = count * np.dtype(dtype).itemsize
        super().__init__(check(cuda.cudaHostAlloc, size, cuda.cudaHostAllocDefault), cuda.cudaFreeHost)
        memory = (ctypes.c_uint8 * size).from_address(int(self.handle))
        self.array: np.ndarray = np.frombuffer(memoryview(memory), dtype, count).reshape(shape)


class DeviceBuffer(Resource):
    """`size` bytes of GPU memory, at address `handle`. At least one is taken, so that every buffer has an address."""

    def __init__(self, size: int) -> None:
        cuda = runtime()
        super().__init__(check(cuda.cudaMalloc, max(size, 1)), cuda.cudaFree)

    def upload(self, source: PinnedArray, rows: int, stream: Stream) -> None:
        """Have `stream` copy the first rows here. They must not change until it has."""
        self._copy(self.handle, source.handle, source, rows, runtime().cudaMemcpyKind.cudaMemcpyHostToDevice, stream)

    def download(self, target: PinnedArray, rows: int, stream: Stream) -> None:
        """Have `stream` copy the first rows from here."""
        self._copy(target.handle, self.handle, target, rows, runtime().cudaMemcpyKind.cudaMemcpyDeviceToHost, stream)

    @staticmethod
    def _copy(to: Any, of: Any, host: PinnedArray, rows: int, kind: Any, stream: Stream) -> None:
        check(runtime().cudaMemcpyAsync, to, of, rows * host.array.strides[0], kind, stream.handle)


class Graph(Resource):
    """Work for a stream, recorded once and launched as one: what launching each kernel costs the processor is paid once.

    Addresses and sizes are part of it, so that what it works on has to live as long as it does.
    """

    @classmethod
    def capture(cls, stream: Stream, enqueue: Callable[[], None]) -> Self:
        """Record what `enqueue` gives to `stream`, without running it. Other threads may use CUDA meanwhile.

        Raises CudaError where any of it cannot be recorded, and what `enqueue` raises; the stream is usable afterwards.
        """
        cuda = runtime()
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        check(cuda.cudaStreamBeginCapture, stream.handle, mode)
        try:
            enqueue()
        except BaseException:
            _abandon_capture(stream)
            raise
        with Resource(check(cuda.cudaStreamEndCapture, stream.handle), cuda.cudaGraphDestroy) as recorded:
            return cls(check(cuda.cudaGraphInstantiate, recorded.handle, 0), cuda.cudaGraphExecDestroy)

    def launch(self, stream: Stream) -> None:
        check(runtime().cudaGraphLaunch, self.handle, stream.handle)


def _abandon_capture(stream: Stream) -> None:
    """Take a stream out of a capture that went wrong; CUDA reports that it did, which is known by now."""
    with contextlib.suppress(CudaError):
        Resource(check(runtime().cudaStreamEndCapture, stream.handle), runtime().cudaGraphDestroy).close()
