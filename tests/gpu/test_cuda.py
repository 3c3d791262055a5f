"""The checks of tests/server/engines/test_cuda.py and tensorrt/test_runtime.py, on a GPU instead of host memory.

TensorRT is not needed: it is replaced by a plan whose kernels are one copy on the GPU.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
from cuda.bindings import runtime as real

from tests.server.engines.tensorrt.recipe import Recipe
from tests.server.engines.tensorrt.recording import IExecutionContext, TensorRt
from vitscope.server.engines import cuda
from vitscope.server.engines.contract import Identity, Profile
from vitscope.server.engines.cuda import (
    CudaError,
    Device,
    DeviceBuffer,
    Event,
    Graph,
    PinnedArray,
    Stream,
    check,
)
from vitscope.server.engines.tensorrt import bindings
from vitscope.server.engines.tensorrt.runtime import TensorRtEngine

MIB = 2**20


@pytest.fixture(autouse=True)
def selected(gpu: Device) -> None:
    cuda.select(gpu.index)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def random(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_the_gpu_says_what_it_is(gpu: Device) -> None:
    assert gpu.name
    assert gpu.compute_capability >= (5, 0)
    assert gpu.memory > 2**30
    assert gpu.multiprocessors > 0
    assert cuda.driver_version() != "0.0"


def test_rows_are_copied_unchanged(stack: ExitStack) -> None:
    stream, done = stack.enter_context(Stream()), stack.enter_context(Event())
    source, target = (stack.enter_context(PinnedArray((64, 224, 224, 3), np.uint8)) for _ in range(2))
    buffer = stack.enter_context(DeviceBuffer(source.array.nbytes))
    source.array[:], target.array[:] = random(source.array.shape), 0
    buffer.upload(source, 50, stream)
    buffer.download(target, 40, stream)
    done.record(stream)
    done.wait()
    np.testing.assert_array_equal(target.array[:40], source.array[:40])
    assert not target.array[40:].any()


def test_events_measure_seconds(stack: ExitStack) -> None:
    stream = stack.enter_context(Stream())
    source, buffer = (
        stack.enter_context(PinnedArray((256 * MIB,), np.uint8)),
        stack.enter_context(DeviceBuffer(256 * MIB)),
    )
    early, middle, late = (stack.enter_context(Event(timing=True)) for _ in range(3))
    early.record(stream)
    buffer.upload(source, 256 * MIB, stream)
    middle.record(stream)
    late.record(stream)
    late.wait()
    # Between 1 and 1000 GB/s, so that neither the unit nor the order is wrong.
    assert 256 * MIB / 1e12 < middle.since(early) < 256 * MIB / 1e9
    assert late.since(middle) < middle.since(early)


def test_a_captured_graph_copies_what_is_there_at_launch(stack: ExitStack) -> None:
    stream = stack.enter_context(Stream())
    source, target = (stack.enter_context(PinnedArray((MIB,), np.uint8)) for _ in range(2))
    buffer = stack.enter_context(DeviceBuffer(MIB))
    target.array[:] = 0

    def copies() -> None:
        buffer.upload(source, MIB, stream)
        buffer.download(target, MIB, stream)

    graph = stack.enter_context(Graph.capture(stream, copies))
    stream.synchronize()
    assert not target.array.any()
    for seed in (1, 2):
        source.array[:] = random((MIB,), seed)
        graph.launch(stream)
        stream.synchronize()
        np.testing.assert_array_equal(target.array, source.array)


def test_other_threads_allocate_during_a_capture(gpu: Device, stack: ExitStack) -> None:
    stream = stack.enter_context(Stream())
    errors: list[BaseException] = []

    def allocate() -> None:
        try:
            cuda.select(gpu.index)
            with DeviceBuffer(MIB), PinnedArray((MIB,), np.uint8), Stream() as other:
                other.synchronize()
        except BaseException as error:
            errors.append(error)

    def capture() -> None:
        thread = threading.Thread(target=allocate)
        thread.start()
        thread.join()

    stack.enter_context(Graph.capture(stream, capture))
    assert errors == []


def test_a_failed_capture_leaves_the_stream_usable(stack: ExitStack) -> None:
    stream = stack.enter_context(Stream())
    with pytest.raises(CudaError, match="cudaErrorStreamCapture"):
        Graph.capture(stream, stream.synchronize)
    stream.synchronize()
    stack.enter_context(Graph.capture(stream, lambda: None)).launch(stream)
    stream.synchronize()


def test_an_allocation_that_does_not_fit_says_so(gpu: Device) -> None:
    with pytest.raises(CudaError, match=r"^cudaMalloc: cudaErrorMemoryAllocation \(out of memory\)"):
        DeviceBuffer(2 * gpu.memory)
    DeviceBuffer(MIB).close()


def test_copies_of_two_slots_overlap_and_python_runs_meanwhile(stack: ExitStack) -> None:
    up, down = stack.enter_context(Stream()), stack.enter_context(Stream())
    uploaded, downloaded = stack.enter_context(Event()), stack.enter_context(Event())
    big, large = stack.enter_context(PinnedArray((256 * MIB,), np.uint8)), stack.enter_context(DeviceBuffer(256 * MIB))
    little, small = stack.enter_context(PinnedArray((16,), np.uint8)), stack.enter_context(DeviceBuffer(16))
    for _ in range(40):  # some 200 ms of copies
        large.upload(big, 256 * MIB, up)
    uploaded.record(up)
    small.download(little, 16, down)
    downloaded.record(down)
    downloaded.wait()
    assert real.cudaEventQuery(uploaded.handle) == (real.cudaError_t.cudaErrorNotReady,)

    stop, turns = threading.Event(), 0

    def count() -> None:
        nonlocal turns
        while not stop.is_set():
            turns += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = turns
    uploaded.wait()
    during = turns - before
    stop.set()
    thread.join()
    assert during > 1000


class CopyingContext(IExecutionContext):
    """A context whose only kernel copies the pixels' bytes to the logits."""

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert self._shape is not None
        target, source, size = self._addresses["logits"], self._addresses["pixels"], int(np.prod(self._shape))
        way = real.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        check(cuda.runtime().cudaMemcpyAsync, target, source, size, way, stream_handle)
        return True


def test_an_engine_answers_from_several_slots_at_once(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    here = SimpleNamespace(gpus=1, device=gpu.index, violations=[])
    trt = TensorRt(here, CopyingContext)  # type: ignore[arg-type]
    monkeypatch.setattr(bindings, "load", lambda: trt)
    recipe = Recipe(pixels=(224, 224, 4), outputs={"logits": (224, 224)}, ranges=[(1, 8, 64)])
    buckets, profiles = (1, 2, 4, 8, 16, 32, 64), (Profile(1, 1), Profile(2, 1))
    engine = TensorRtEngine(recipe.plan, Identity("tensorrt", "11.4", "f32", gpu.name), profiles, buckets, gpu.index)
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            slot = engine.slot()
            for turn in range(20):
                n = 1 + (7 * turn + 13 * number) % 64
                slot.pixels[:n] = images = random((n, 224, 224, 4), 100 * number + turn)
                if slot.run(n)["logits"].tobytes() != images.tobytes():
                    wrong.append((number, turn))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    usage = engine.status().usage
    engine.close()
    assert usage
    assert wrong == []
    assert here.violations == []
    assert 0 < usage.graph_runs < usage.runs == 60
    assert min(usage.upload, usage.compute, usage.download) > 0
