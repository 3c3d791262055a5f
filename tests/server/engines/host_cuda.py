"""The CUDA runtime on host memory, with the real bindings' names, handles, enums and signatures.

It is as asynchronous as CUDA may be: what a stream is given happens when somebody waits for it, and not before. Whoever reads
results too early, or writes where the GPU still reads, gets wrong answers. What real CUDA would leave undefined (use after
free, a handle of another kind, another GPU's stream) is an error, and kept in `violations`.
"""

import inspect
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
from cuda.bindings import runtime as real

from vitscope.server.engines import cuda

Error = real.cudaError_t
Operation = Callable[[], None]
_POISON = 0xAB
_WAYS = {
    real.cudaMemcpyKind.cudaMemcpyHostToDevice: ("host", "device"),
    real.cudaMemcpyKind.cudaMemcpyDeviceToHost: ("device", "host"),
    real.cudaMemcpyKind.cudaMemcpyDeviceToDevice: ("device", "device"),
}


class Refused(Exception):
    """The call answers with this error."""

    def __init__(self, error: Any) -> None:
        self.error = error


@dataclass(eq=False)
class Memory:
    data: np.ndarray
    kind: str
    device: int
    alive: bool = True

    @property
    def address(self) -> int:
        return self.data.ctypes.data


@dataclass(eq=False)
class Stream:
    device: int
    alive: bool = True
    queue: deque[Operation] = field(default_factory=deque)
    captured: list[Operation] | None = None
    capturing_thread: int = 0
    spoiled: bool = False

    def add(self, operation: Operation) -> None:
        (self.queue if self.captured is None else self.captured).append(operation)


@dataclass(eq=False)
class Event:
    device: int
    flags: int
    alive: bool = True
    stream: Stream | None = None
    recorded: object = None
    reached: object = None
    when: float = 0.0


@dataclass(eq=False)
class Graph:
    operations: list[Operation]
    alive: bool = True


@dataclass(eq=False)
class Executable(Graph):
    pass


def call(method: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """A function of the bindings: takes what the real one takes, answers as it does, and may be made to fail."""
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
            elif name == "cudaStreamEndCapture":  # ends it even so
                self._find(*arguments, Stream).captured = None
            self.last.error = error
            return (error,) if method.__annotations__["return"] is None else (error, None)

    return called


class HostCuda:
    """Stands in for the module `cuda.bindings.runtime`.

    examples, answers: arguments of a call of each function, and how many parts its answer had. failing: asked at each call, with its index and name, for an error to answer with instead of doing anything.
    """

    def __init__(self, gpus: int = 1) -> None:
        self.gpus = gpus
        self.calls: list[str] = []
        self.examples: dict[str, tuple[Any, ...]] = {}
        self.answers: dict[str, int] = {}
        self.copies: list[tuple[Any, int]] = []
        self.violations: list[str] = []
        self.failing: Callable[[int, str], Any] = lambda index, name: None
        self.lock = threading.RLock()
        self.last = threading.local()
        self.clock: Callable[[], float] = time.perf_counter
        self._current = threading.local()
        self._memory: list[Memory] = []
        self._objects: dict[int, Any] = {}
        self._ids = count(0x1000, 0x10)

    def __getattr__(self, name: str) -> Any:
        """Constants and enums are the real ones; functions that are not modelled here are not passed on."""
        value = getattr(real, name)
        if callable(value) and not isinstance(value, type):
            raise NotImplementedError(f"{name} is not modelled on host memory")
        return value

    # What tests ask.

    def leaks(self) -> list[str]:
        left = [f"{memory.kind} memory" for memory in self._memory if memory.alive]
        return left + [type(thing).__name__ for thing in self._objects.values() if thing.alive]

    def violate(self, what: str, error: Any = Error.cudaErrorInvalidValue) -> Refused:
        self.violations.append(what)
        return Refused(error)

    @property
    def device(self) -> int:
        return getattr(self._current, "device", 0)

    @property
    def last_error(self) -> Any:
        return getattr(self.last, "error", Error.cudaSuccess)

    def region(self, address: int, size: int, kind: str) -> np.ndarray:
        """The bytes at an address; they must be there, of this kind and not freed."""
        for memory in self._memory:
            start = int(address) - memory.address
            if 0 <= start < memory.data.size:
                if not memory.alive:
                    raise self.violate(f"use of {memory.kind} memory after it was freed")
                if memory.kind != kind or start + size > memory.data.size:
                    raise self.violate(
                        f"{size} bytes of {kind} memory, at {start} of {memory.data.size} bytes of {memory.kind}"
                    )
                return memory.data[start : start + size]
        raise self.violate(f"{kind} memory at an address that CUDA gave nobody")

    def stream(self, handle: Any) -> Stream:
        stream = self._find(handle, Stream)
        if stream.device != self.device:
            raise self.violate(f"a stream of GPU {stream.device} used on GPU {self.device}")
        return stream

    # The bindings' functions.

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
        return self._give(Stream(self.device), real.cudaStream_t)

    @call
    def cudaStreamDestroy(self, stream: Any) -> None:
        self._drain(self._find(stream, Stream), None)
        self._take(stream, Stream)

    @call
    def cudaStreamSynchronize(self, stream: Any) -> None:
        found = self.stream(stream)
        self._forbid_in_capture(found)
        self._drain(found, None)

    @call
    def cudaEventCreateWithFlags(self, flags: int) -> Any:
        return self._give(Event(self.device, flags), real.cudaEvent_t)

    @call
    def cudaEventDestroy(self, event: Any) -> None:
        self._take(event, Event)

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
            raise self.violate("a capture that other threads can spoil")
        if found.captured is not None or found.queue:
            raise self.violate("a capture in a capture, or behind work that nobody waited for")
        found.captured, found.spoiled, found.capturing_thread = [], False, threading.get_ident()

    @call
    def cudaStreamEndCapture(self, stream: Any) -> Any:
        found = self.stream(stream)
        operations, found.captured = found.captured, None
        if operations is None:
            raise Refused(Error.cudaErrorIllegalState)
        if found.spoiled:
            raise Refused(Error.cudaErrorStreamCaptureInvalidated)
        return self._give(Graph(operations), real.cudaGraph_t)

    @call
    def cudaGraphInstantiate(self, graph: Any, flags: int) -> Any:
        return self._give(Executable(list(self._find(graph, Graph).operations)), real.cudaGraphExec_t)

    @call
    def cudaGraphDestroy(self, graph: Any) -> None:
        self._take(graph, Graph)

    @call
    def cudaGraphExecDestroy(self, executable: Any) -> None:
        self._take(executable, Executable)

    @call
    def cudaGraphLaunch(self, executable: Any, stream: Any) -> None:
        on = self.stream(stream)
        for operation in self._find(executable, Executable).operations:
            on.add(operation)

    # How they do it.

    def spoil(self, stream: Stream) -> None:
        """What happens to a capture when something that cannot be captured is called."""
        if stream.captured is not None:
            stream.spoiled = True
            raise Refused(Error.cudaErrorStreamCaptureUnsupported)

    def _forbid_in_capture(self, stream: Stream | None = None) -> None:
        mine = threading.get_ident()
        for other in [thing for thing in self._objects.values() if isinstance(thing, Stream) and thing.alive]:
            if other is stream or other.capturing_thread == mine:
                self.spoil(other)

    def _drain(self, stream: Stream, until: Event | None) -> None:
        while stream.queue and (until is None or until.reached is not until.recorded):
            stream.queue.popleft()()

    def _allocate(self, size: int, kind: str) -> int:
        self._forbid_in_capture()
        if size <= 0:
            raise self.violate(f"an allocation of {size} bytes")
        memory = Memory(np.full(size, _POISON, np.uint8), kind, self.device)
        self._memory.append(memory)
        return memory.address

    def _free(self, address: int, kind: str) -> None:
        self._forbid_in_capture()
        found = next((m for m in self._memory if m.address == int(address) and m.kind == kind), None)
        if found is None or not found.alive:
            raise self.violate(f"{kind} memory freed that is not there")
        found.alive = False
        found.data[:] = _POISON  # and kept, so that its address is never given again

    def _give(self, thing: Any, handle: Any) -> Any:
        number = next(self._ids)
        self._objects[number] = thing
        return handle(number)

    def _find(self, handle: Any, kind: type[Any]) -> Any:
        found = self._objects.get(int(handle))
        if type(found) is not kind or not found.alive:
            raise self.violate(f"{kind.__name__.lower()} used that is not there", Error.cudaErrorInvalidResourceHandle)
        return found

    def _take(self, handle: Any, kind: type[Any]) -> None:
        self._find(handle, kind).alive = False


@contextmanager
def installed(gpus: int = 1) -> Iterator[HostCuda]:
    """The server's CUDA layer over a fresh HostCuda."""
    host, before = HostCuda(gpus), cuda.runtime
    cuda.runtime = lambda: host  # type: ignore[assignment]
    try:
        yield host
    finally:
        cuda.runtime = before
