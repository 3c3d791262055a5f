"""The CUDA runtime, as far as serving needs it: checked calls, and objects that free what they allocated.

A layer over `cuda.bindings.runtime` (package cuda-bindings), whose functions return an error and values and release the
interpreter's lock. Streams, events and memory belong to the GPU that is selected when they are made; a thread that uses
them must have selected the same GPU. `close` frees a resource once, in any thread, and logs errors instead of raising
them, so that one failure does not keep other resources from being freed. Nothing is freed implicitly; when the process
ends, the driver frees everything.
"""

import contextlib
import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
import structlog

from vitscope.server.engines.contract import Precision

log = structlog.get_logger()

# Compute capability from which the arithmetic is in hardware; below 7.5 TensorRT does not run at all.
_OLDEST = {"f32": (7, 5), "f16": (7, 5), "bf16": (8, 0), "fp8": (8, 9)}


class CudaError(Exception):
    """A call of the CUDA runtime failed. `code` is CUDA's name of the error, such as "cudaErrorMemoryAllocation"."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@cache
def runtime() -> Any:
    """Import the bindings of the CUDA runtime. Raises ImportError where the package cuda-bindings is missing."""
    from cuda.bindings import runtime

    return runtime


def check(function: Callable[..., tuple[Any, ...]], *arguments: object) -> Any:
    """Call a function of the bindings and return its value, a tuple of several, or None. Raises CudaError."""
    error, *values = function(*arguments)
    if error != runtime().cudaError_t.cudaSuccess:
        # An error stays the thread's last error until it is read. TensorRT would read it next, after a launch of its
        # own that succeeded.
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
    """Return the GPUs that this process may use; an empty list where the driver has none.

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


def why_no_gpu(precision: Precision) -> str | None:
    """Return None where this process may use a GPU with hardware for `precision`, else the reason in one sentence."""
    try:
        found = devices()
    except ImportError as error:
        return f"the CUDA bindings cannot be imported ({error}); requirements/gpu.txt lists what a GPU needs"
    except CudaError as error:
        return str(error)
    if not found:
        return "the NVIDIA driver has no GPU for this process"
    best, needed = max(found, key=lambda device: device.compute_capability), _OLDEST[precision]
    if best.compute_capability >= needed:
        return None
    capability, least = (".".join(map(str, pair)) for pair in (best.compute_capability, needed))
    return f"{best.name} has compute capability {capability}; {precision} needs {least}"


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
    """Return the newest CUDA that the driver supports, such as "13.0"; "0.0" without a driver.

    Raises CudaError, ImportError.
    """
    return _dotted(check(runtime().cudaDriverGetVersion))


def _dotted(version: int) -> str:
    """Format a CUDA version, which is 1000 * major + 10 * minor."""
    return f"{version // 1000}.{version % 1000 // 10}"


def select(device: int) -> None:
    """Make a GPU the calling thread's current one. Costs next to nothing where it already is."""
    check(runtime().cudaSetDevice, device)


class Resource:
    """A CUDA handle that `free`, a function of the bindings, destroys on close."""

    def __init__(self, handle: Any, free: Callable[..., tuple[Any, ...]]) -> None:
        self.handle = handle
        self._free: Callable[..., tuple[Any, ...]] | None = free

    def close(self) -> None:
        """Free the resource; later calls do nothing. Never raises."""
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
    """A queue of work for the GPU, run in order. It does not synchronize with the default stream."""

    def __init__(self) -> None:
        cuda = runtime()
        super().__init__(check(cuda.cudaStreamCreateWithFlags, cuda.cudaStreamNonBlocking), cuda.cudaStreamDestroy)

    def synchronize(self) -> None:
        """Wait until all work of the stream is done."""
        check(runtime().cudaStreamSynchronize, self.handle)


class Event(Resource):
    """A point in a stream's work. Waiting for it blocks the thread without spinning. timing: also record when."""

    def __init__(self, timing: bool = False) -> None:
        cuda = runtime()
        flags = cuda.cudaEventBlockingSync | (0 if timing else cuda.cudaEventDisableTiming)
        super().__init__(check(cuda.cudaEventCreateWithFlags, flags), cuda.cudaEventDestroy)

    def record(self, stream: Stream) -> None:
        """Put the event behind the work that `stream` has been given so far."""
        check(runtime().cudaEventRecord, self.handle, stream.handle)

    def wait(self) -> None:
        """Block until the stream has reached the event. Other Python threads run meanwhile."""
        check(runtime().cudaEventSynchronize, self.handle)

    def since(self, earlier: "Event") -> float:
        """Return the GPU seconds between two events, both with timing and both reached; resolution about 0.5 µs."""
        return float(check(runtime().cudaEventElapsedTime, earlier.handle, self.handle)) / 1e3


class PinnedArray(Resource):
    """Page-locked host memory as a numpy array: the GPU copies from and to it while the processor does other things.

    The array and every view of it are invalid after `close`. It is not initialised.
    """

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        cuda = runtime()
        count = int(np.prod(shape, dtype=np.int64))
        size = count * np.dtype(dtype).itemsize
        super().__init__(check(cuda.cudaHostAlloc, size, cuda.cudaHostAllocDefault), cuda.cudaFreeHost)
        memory = (ctypes.c_uint8 * size).from_address(int(self.handle))
        self.array: np.ndarray = np.frombuffer(memoryview(memory), dtype, count).reshape(shape)


class DeviceBuffer(Resource):
    """`size` bytes of GPU memory, at address `handle`. At least one is allocated, so that it has an address."""

    def __init__(self, size: int) -> None:
        cuda = runtime()
        super().__init__(check(cuda.cudaMalloc, max(size, 1)), cuda.cudaFree)

    def upload(self, source: PinnedArray, rows: int, stream: Stream) -> None:
        """Enqueue a copy of the first rows to the GPU. They must not change until `stream` has done it."""
        self._copy(self.handle, source.handle, source, rows, runtime().cudaMemcpyKind.cudaMemcpyHostToDevice, stream)

    def download(self, target: PinnedArray, rows: int, stream: Stream) -> None:
        """Enqueue a copy of the first rows from the GPU."""
        self._copy(target.handle, self.handle, target, rows, runtime().cudaMemcpyKind.cudaMemcpyDeviceToHost, stream)

    @staticmethod
    def _copy(to: Any, of: Any, host: PinnedArray, rows: int, kind: Any, stream: Stream) -> None:
        check(runtime().cudaMemcpyAsync, to, of, rows * host.array.strides[0], kind, stream.handle)


class Graph(Resource):
    """Recorded work that is launched as one, so that the processor pays for a launch once instead of for each kernel.

    Addresses and sizes are recorded with it, so the memory that it works on has to live as long as it does.
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
    """End a failed capture. CUDA reports that it failed, which is known already."""
    with contextlib.suppress(CudaError):
        Resource(check(runtime().cudaStreamEndCapture, stream.handle), runtime().cudaGraphDestroy).close()
