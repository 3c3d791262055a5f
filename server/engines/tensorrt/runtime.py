"""Running a plan: each slot has pinned memory and a stream of its own, and a run allocates nothing.

A run takes the smallest bucket (one of a few batch sizes) that its rows fit in. Only those rows are copied to the GPU
and back. The rest of the bucket holds what earlier runs left there, or what the memory held before: every byte is a
valid pixel, the images of a batch do not influence one another, and the outputs of these rows are never copied back.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import structlog

from vitscope.server.engines import cuda
from vitscope.server.engines.classes import BEST, class_buffer
from vitscope.server.engines.contract import Identity, Outputs, Profile, Status, Usage
from vitscope.server.engines.tensorrt import bindings
from vitscope.server.engines.tensorrt.messages import Messages
from vitscope.server.engines.tensorrt.plan import LoadedPlan, TensorRtError, demand

log = structlog.get_logger()

# Up to this batch size, launching the 130 to 160 kernels of a ViT one by one takes the processor about as long as
# running them takes the GPU. At 32 images a graph gains nothing.
_LARGEST_GRAPH = 8


class TensorRtEngine:
    """A plan on one GPU.

    plan: what `builder.build` made, its identity compared with this machine's. buckets: batch sizes to run in,
    rising; the last is the largest batch. device: index of the GPU. Raises TensorRtError for a plan that cannot be
    loaded or is not one of uint8 pixels in and float32 out, CudaError, and what `bindings.load` raises.
    """

    def __init__(
        self, plan: bytes, identity: Identity, profiles: Sequence[Profile], buckets: Sequence[int], device: int = 0
    ) -> None:
        self.identity, self.profiles, self.max_batch = identity, tuple(profiles), buckets[-1]
        self._device = device
        self._slots: list[TensorRtSlot] = []
        cuda.select(device)
        self._plan: LoadedPlan | None = LoadedPlan(bindings.load(), plan, buckets)

    def slot(self) -> "TensorRtSlot":
        if self._plan is None:
            raise TensorRtError(f"{self.identity} is closed")
        slot = TensorRtSlot(self._plan, self._device)
        self._slots.append(slot)
        return slot

    def status(self) -> Status:
        """Sum up all slots; broken where one of them is. Such errors of CUDA last until the process ends."""
        return Status(
            broken=next((slot.broken for slot in self._slots if slot.broken), None),
            usage=reduce(Usage.__add__, [slot.usage for slot in self._slots], Usage()),
            fused_attention=self._plan.fused_attention if self._plan else None,
        )

    def close(self) -> None:
        for slot in self._slots:
            slot.close()
        if self._plan is not None:
            self._plan.close()
            self._plan = None


class TensorRtSlot:
    """Pinned memory for pixels and outputs, buffers for both on the GPU, and a stream.

    classes: of a graph that explains classes, else None; what a further number of them needs is made when it is first
    run. usage: work done so far. broken: why it cannot be used any more.
    """

    pixels: np.ndarray

    def __init__(self, plan: LoadedPlan, device: int) -> None:
        self.usage = Usage()
        self.broken: str | None = None
        self._device, self._sizes, self._plan = device, plan.buckets, plan
        self.classes = None if plan.classes is None else class_buffer(plan.buckets[-1])
        self._sets: dict[int, _Set] = {}
        cuda.select(device)
        self._stream = cuda.Stream()
        self._resources: ExitStack | None = ExitStack()
        self._resources.enter_context(self._stream)
        try:
            self._prepare(self._resources)
        except BaseException:
            self.close()
            raise

    def _prepare(self, resources: ExitStack) -> None:
        plan, most = self._plan, self._sizes[-1]
        self._began, self._uploaded, self._computed, self._ended = (
            resources.enter_context(cuda.Event(timing=True)) for _ in range(4)
        )
        self._pixels, self._input = _buffers(resources, plan.pixels.batch(most), np.uint8)
        # One for all buckets, because a slot runs one of them at a time.
        self._scratch = resources.enter_context(cuda.DeviceBuffer(plan.scratch))
        self._sets[1] = self._make(resources, 1)
        self.pixels = self._pixels.array

    def _make(self, resources: ExitStack, columns: int) -> "_Set":
        """Make what runs with so many classes to explain need."""
        plan, most = self._plan, self._sizes[-1]
        outputs = {
            output.name: _buffers(resources, output.batch(most, columns), output.dtype) for output in plan.outputs
        }
        addresses = {plan.pixels.name: self._input.handle}
        addresses |= {name: buffer.handle for name, (_, buffer) in outputs.items()}
        made = _Set(outputs)
        if plan.classes is not None:
            made.classes = pinned, buffer = _buffers(resources, plan.classes.batch(most, columns), np.int64)
            pinned.array[:] = BEST
            buffer.upload(pinned, most, self._stream)
            addresses[plan.classes.name] = buffer.handle
        for size in self._sizes:
            bucket = _Bucket(plan, size, columns, self._stream, self._scratch, addresses)
            resources.callback(bucket.close)
            bucket.prepare(resources)
            made.buckets.append(bucket)
        return made

    def run(self, n: int, profile: int = 0, columns: int = 1) -> Outputs:
        """Run the first `n` rows. Profiles differ in how many slots run at a time, not in how they run.

        Raises ValueError for a number of rows that does not fit, CudaError, TensorRtError.
        """
        if not 1 <= n <= self._sizes[-1]:
            raise ValueError(f"rows to run: found {n}, accepted: 1 to {self._sizes[-1]}")
        if self.broken:
            raise TensorRtError(f"this slot cannot be used any more: {self.broken}")
        cuda.select(self._device)  # one thread serves engines on several GPUs
        try:
            if columns not in self._sets:
                assert self._resources is not None
                self._sets[columns] = self._make(self._resources, columns)
            found = self._sets[columns]
            bucket = found.buckets[bisect_left(self._sizes, n)]
            self._enqueue(n, found, bucket, columns)
            self._ended.wait()
            self.usage += self._account(n, bucket)
        except BaseException as error:
            self._recover(error)
            raise
        # Copies: the next run overwrites the pinned memory, while replies are still being made of these.
        return {name: pinned.array[:n].copy() for name, (pinned, _) in found.outputs.items()}

    def _enqueue(self, n: int, found: "_Set", bucket: "_Bucket", columns: int = 1) -> None:
        self._began.record(self._stream)
        self._input.upload(self._pixels, n, self._stream)
        if self.classes is not None and found.classes is not None:
            pinned, classes = found.classes
            pinned.array[:n] = self.classes[:n, :columns]
            classes.upload(pinned, n, self._stream)  # the rows after them hold what is valid too
        self._uploaded.record(self._stream)
        bucket.launch()
        self._computed.record(self._stream)
        for pinned, buffer in found.outputs.values():
            buffer.download(pinned, n, self._stream)
        self._ended.record(self._stream)

    def _account(self, n: int, bucket: "_Bucket") -> Usage:
        return Usage(
            runs=1,
            rows=n,
            padding=bucket.size - n,
            graph_runs=int(bucket.graph is not None),
            upload=self._uploaded.since(self._began),
            compute=self._computed.since(self._uploaded),
            download=self._ended.since(self._computed),
        )

    def _recover(self, error: BaseException) -> None:
        """Wait for the work that a failed run left in the stream: it may still read the rows of the next batch."""
        try:
            self._stream.synchronize()
        except cuda.CudaError as worse:
            self.broken = f"{error}; then {worse}"

    def close(self) -> None:
        """Free everything. The engine calls this for its slots."""
        resources, self._resources = self._resources, None
        if resources is None:
            return
        with suppress(cuda.CudaError):
            cuda.select(self._device)
            self._stream.synchronize()
        vars(self).pop("pixels", None)  # an AttributeError is better than an access to freed memory
        self.broken = self.broken or "it was closed"
        resources.close()


def _buffers(
    resources: ExitStack, shape: tuple[int, ...], dtype: type[np.generic]
) -> tuple[cuda.PinnedArray, cuda.DeviceBuffer]:
    pinned = resources.enter_context(cuda.PinnedArray(shape, dtype))
    return pinned, resources.enter_context(cuda.DeviceBuffer(pinned.array.nbytes))


_Buffers = tuple[cuda.PinnedArray, cuda.DeviceBuffer]


@dataclass
class _Set:
    """What runs with one number of classes to explain need. classes: None for a graph that explains none."""

    outputs: dict[str, _Buffers]
    classes: _Buffers | None = None
    buckets: "list[_Bucket]" = field(default_factory=list)


class _Bucket:
    """Runs of one batch size and number of classes, in an execution context of its own.

    So shapes and addresses of a context are set once and never changed, which NVIDIA requires as long as a graph that
    was captured from it is launched.
    """

    def __init__(
        self,
        plan: LoadedPlan,
        size: int,
        columns: int,
        stream: cuda.Stream,
        scratch: cuda.DeviceBuffer,
        addresses: Mapping[str, int],
    ) -> None:
        self.size, self._key = size, (size, columns)
        self.graph: cuda.Graph | None = None
        self._plan, self._stream = plan, stream
        self._context: Any = plan.context(size, stream, scratch, addresses, columns)

    def prepare(self, resources: ExitStack) -> None:
        """Run once, because the first run does extra work; for a small batch, capture a graph, or log why not."""
        self._enqueue()
        self._stream.synchronize()
        if self.size > _LARGEST_GRAPH or self._key in self._plan.uncapturable:
            return
        try:
            self.graph = resources.enter_context(cuda.Graph.capture(self._stream, self._enqueue))
        except (cuda.CudaError, TensorRtError) as error:
            self._plan.uncapturable.add(self._key)
            log.warning("no CUDA graph; kernels are launched one by one", batch=self.size, reason=str(error))

    def launch(self) -> None:
        if self.graph is not None:
            self.graph.launch(self._stream)
        else:
            self._enqueue()

    def _enqueue(self) -> None:
        with Messages(self._plan.trt) as messages:
            ran = self._context.execute_async_v3(int(self._stream.handle))
            demand(ran, messages, f"TensorRT did not run a batch of {self.size}")

    def close(self) -> None:
        """Destroy the context, even where this bucket is still referenced."""
        self._context = None
