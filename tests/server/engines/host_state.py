"""The memory and objects of CUDA on host memory: streams, events and graphs, and the rules for their use."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from cuda.bindings import runtime as real

Error = real.cudaError_t
Operation = Callable[[], None]
_POISON = 0xAB


class Refused(Exception):
    """The call fails with this error."""

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
    invalidated: bool = False

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


class HostState:
    """Everything that was allocated and created, and the violations of CUDA's rules."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._current = threading.local()
        self._memory: list[Memory] = []
        self._objects: dict[int, Any] = {}
        self._ids = count(0x1000, 0x10)

    def leaks(self) -> list[str]:
        left = [f"{memory.kind} memory" for memory in self._memory if memory.alive]
        return left + [type(thing).__name__ for thing in self._objects.values() if thing.alive]

    def violate(self, what: str, error: Any = Error.cudaErrorInvalidValue) -> Refused:
        self.violations.append(what)
        return Refused(error)

    @property
    def device(self) -> int:
        return getattr(self._current, "device", 0)

    def region(self, address: int, size: int, kind: str) -> np.ndarray:
        """Return the bytes at an address, which must be of allocated memory of this kind."""
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
        raise self.violate(f"{kind} memory at an address that was never allocated")

    def stream(self, handle: Any) -> Stream:
        stream = self._find(handle, Stream)
        if stream.device != self.device:
            raise self.violate(f"a stream of GPU {stream.device} used on GPU {self.device}")
        return stream

    def invalidate(self, stream: Stream) -> None:
        """Invalidate the stream's capture, if there is one, as a call that cannot be captured does."""
        if stream.captured is not None:
            stream.invalidated = True
            raise Refused(Error.cudaErrorStreamCaptureUnsupported)

    def _forbid_in_capture(self, stream: Stream | None = None) -> None:
        mine = threading.get_ident()
        for other in [thing for thing in self._objects.values() if isinstance(thing, Stream) and thing.alive]:
            if other is stream or other.capturing_thread == mine:
                self.invalidate(other)

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
            raise self.violate(f"{kind} memory freed that is not allocated")
        found.alive = False
        found.data[:] = _POISON  # kept, so that its address is never allocated again

    def _create(self, thing: Any, handle: Any) -> Any:
        number = next(self._ids)
        self._objects[number] = thing
        return handle(number)

    def _find(self, handle: Any, kind: type[Any]) -> Any:
        found = self._objects.get(int(handle))
        if type(found) is not kind or not found.alive:
            raise self.violate(
                f"{kind.__name__.lower()} used that does not exist", Error.cudaErrorInvalidResourceHandle
            )
        return found

    def _destroy(self, handle: Any, kind: type[Any]) -> None:
        self._find(handle, kind).alive = False
