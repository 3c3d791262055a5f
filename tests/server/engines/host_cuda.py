"""The CUDA runtime on host memory, with the real bindings' names, handles, enums and signatures.

It is as asynchronous as CUDA may be: the work of a stream runs when somebody waits for it, and not before. Code that
reads results too early, or writes where the GPU still reads, gets wrong answers. What real CUDA leaves undefined (use
after free, a handle of another kind, another GPU's stream) is an error, and recorded in `violations`.
"""

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import SimpleNamespace
from typing import Any

from cuda.bindings import runtime as real

from tests.server.engines.host_state import Error, Event, Executable, Graph, HostState, Refused, Stream
from vitscope.server.engines import cuda

_WAYS = {
    real.cudaMemcpyKind.cudaMemcpyHostToDevice: ("host", "device"),
    real.cudaMemcpyKind.cudaMemcpyDeviceToHost: ("device", "host"),
    real.cudaMemcpyKind.cudaMemcpyDeviceToDevice: ("device", "device"),
}


def call(method: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """Make a method a function of the bindings: with the real signature and result, and able to fail on demand."""
    name = method.__name__
    signature = inspect.signature(getattr(real, name))

    @wraps(method)
    def called(self: "HostCuda", *arguments: Any) -> tuple[Any, ...]:
        signature.bind(*arguments)
        with self.lock:
            self.examples[name] = arguments
            self.calls.append(name)
            error = self.failing(len(self.calls) - 1, name)
            if error is None:
                try:
                    value = method(self, *arguments)
                except Refused as refusal:
                    error = refusal.error
                else:
                    answer = (Error.cudaSuccess,) if value is None else (Error.cudaSuccess, value)
                    self.answers[name] = len(answer)
                    return answer
            elif name == "cudaStreamEndCapture":  # even a failed call ends the capture
                self._find(*arguments, Stream).captured = None
            self.last.error = error
            return (error,) if method.__annotations__["return"] is None else (error, None)

    return called


class HostCuda(HostState):
    """Stands for the module `cuda.bindings.runtime`.

    calls: names of all functions called. examples, answers: by function, the arguments of a call and the length of its
    result. failing: takes the index and the name of each call, and returns an error for it to fail with, or None.
    """

    def __init__(self, gpus: int = 1) -> None:
        super().__init__()
        self.gpus = gpus
        self.calls: list[str] = []
        self.examples: dict[str, tuple[Any, ...]] = {}
        self.answers: dict[str, int] = {}
        self.copies: list[tuple[Any, int]] = []
        self.failing: Callable[[int, str], Any] = lambda index, name: None
        self.lock = threading.RLock()
        self.last = threading.local()
        self.clock: Callable[[], float] = time.perf_counter

    def __getattr__(self, name: str) -> Any:
        """Return constants and enums of the real module; refuse functions that are not modelled here."""
        value = getattr(real, name)
        if callable(value) and not isinstance(value, type):
            raise NotImplementedError(f"{name} is not modelled on host memory")
        return value

    @property
    def last_error(self) -> Any:
        return getattr(self.last, "error", Error.cudaSuccess)

    @call
    def cudaGetDeviceCount(self) -> int:
        if not self.gpus:
            raise Refused(Error.cudaErrorNoDevice)
        return self.gpus

    @call
    def cudaDriverGetVersion(self) -> int:
        return 13020

    @call
    def cudaGetDeviceProperties(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(name=b"Host GPU", major=9, minor=0, totalGlobalMem=2**34, multiProcessorCount=132)

    @call
    def cudaSetDevice(self, device: int) -> None:
        if not 0 <= device < self.gpus:
            raise Refused(Error.cudaErrorInvalidDevice)
        self._current.device = device

    def cudaGetErrorString(self, error: Any) -> tuple[Any, bytes]:
        return real.cudaGetErrorString(error)

    def cudaGetLastError(self) -> tuple[Any]:
        error, self.last.error = self.last_error, Error.cudaSuccess
        return (error,)

    @call
    def cudaStreamCreateWithFlags(self, flags: int) -> Any:
        if flags != real.cudaStreamNonBlocking:
            raise self.violate("a stream that waits for the default stream")
        return self._create(Stream(self.device), real.cudaStream_t)

    @call
    def cudaStreamDestroy(self, stream: Any) -> None:
        self._drain(self._find(stream, Stream), None)
        self._destroy(stream, Stream)

    @call
    def cudaStreamSynchronize(self, stream: Any) -> None:
        found = self.stream(stream)
        self._forbid_in_capture(found)
        self._drain(found, None)

    @call
    def cudaEventCreateWithFlags(self, flags: int) -> Any:
        return self._create(Event(self.device, flags), real.cudaEvent_t)

    @call
    def cudaEventDestroy(self, event: Any) -> None:
        self._destroy(event, Event)

    @call
    def cudaEventRecord(self, event: Any, stream: Any) -> None:
        found, on = self._find(event, Event), self.stream(stream)
        if found.device != on.device or on.captured is not None:
            raise self.violate("an event recorded on another GPU, or in a capture")
        found.stream, found.recorded = on, (mark := object())

        def reach() -> None:
            found.reached, found.when = mark, self.clock()

        on.add(reach)

    @call
    def cudaEventSynchronize(self, event: Any) -> None:
        found = self._find(event, Event)
        if not found.flags & real.cudaEventBlockingSync:
            raise self.violate("a wait that keeps a processor busy")
        if found.stream is not None:
            self._forbid_in_capture(found.stream)
            self._drain(found.stream, found)

    @call
    def cudaEventElapsedTime(self, start: Any, end: Any) -> float:
        first, second = self._find(start, Event), self._find(end, Event)
        if (first.flags | second.flags) & real.cudaEventDisableTiming:
            raise Refused(Error.cudaErrorInvalidResourceHandle)
        if any(event.recorded is None or event.recorded is not event.reached for event in (first, second)):
            raise Refused(Error.cudaErrorNotReady)
        return 1e3 * (second.when - first.when)

    @call
    def cudaMalloc(self, size: int) -> int:
        return self._allocate(size, "device")

    @call
    def cudaFree(self, address: int) -> None:
        self._free(address, "device")

    @call
    def cudaHostAlloc(self, size: int, flags: int) -> int:
        return self._allocate(size, "host")

    @call
    def cudaFreeHost(self, address: int) -> None:
        self._free(address, "host")

    @call
    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: Any, stream: Any) -> None:
        of, to = _WAYS[kind]

        def copy() -> None:
            self.region(target, size, to)[:] = self.region(source, size, of)

        self.region(target, size, to), self.region(source, size, of)
        self.copies.append((kind, size))
        self.stream(stream).add(copy)

    @call
    def cudaStreamBeginCapture(self, stream: Any, mode: Any) -> None:
        found = self.stream(stream)
        if mode != real.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal:
            raise self.violate("a capture that other threads can invalidate")
        if found.captured is not None or found.queue:
            raise self.violate("a capture in a capture, or behind work that nobody waited for")
        found.captured, found.invalidated, found.capturing_thread = [], False, threading.get_ident()

    @call
    def cudaStreamEndCapture(self, stream: Any) -> Any:
        found = self.stream(stream)
        operations, found.captured = found.captured, None
        if operations is None:
            raise Refused(Error.cudaErrorIllegalState)
        if found.invalidated:
            raise Refused(Error.cudaErrorStreamCaptureInvalidated)
        return self._create(Graph(operations), real.cudaGraph_t)

    @call
    def cudaGraphInstantiate(self, graph: Any, flags: int) -> Any:
        return self._create(Executable(list(self._find(graph, Graph).operations)), real.cudaGraphExec_t)

    @call
    def cudaGraphDestroy(self, graph: Any) -> None:
        self._destroy(graph, Graph)

    @call
    def cudaGraphExecDestroy(self, executable: Any) -> None:
        self._destroy(executable, Executable)

    @call
    def cudaGraphLaunch(self, executable: Any, stream: Any) -> None:
        on = self.stream(stream)
        for operation in self._find(executable, Executable).operations:
            on.add(operation)


@contextmanager
def installed(gpus: int = 1) -> Iterator[HostCuda]:
    """Let the server's CUDA layer use a new HostCuda."""
    host, before = HostCuda(gpus), cuda.runtime
    cuda.runtime = lambda: host  # type: ignore[assignment]
    try:
        yield host
    finally:
        cuda.runtime = before
