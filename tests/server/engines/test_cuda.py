"""The CUDA layer: on the real bindings where no GPU is needed, else on CUDA on host memory."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import structlog
from cuda.bindings import runtime as real

from tests.server.engines.host_cuda import HostCuda, installed
from vitscope.server.engines import cuda
from vitscope.server.engines.cuda import (
    CudaError,
    DeviceBuffer,
    Event,
    Graph,
    PinnedArray,
    Stream,
    devices,
    driver_version,
)

_, DRIVER = real.cudaDriverGetVersion()
driverless = pytest.mark.skipif(bool(DRIVER), reason="this machine has an NVIDIA driver")


@pytest.fixture
def host() -> Iterator[HostCuda]:
    with installed(gpus=2) as host:
        yield host
        assert host.violations == []


@driverless
def test_without_a_driver_it_says_so() -> None:
    with pytest.raises(
        CudaError, match=r"^no NVIDIA driver, or one too old for CUDA 13\.\d+ \(cudaGetDeviceCount: "
    ) as caught:
        devices()
    assert caught.value.code == "cudaErrorInsufficientDriver"
    assert driver_version() == "0.0"


@driverless
@pytest.mark.parametrize("make", [Stream, Event, lambda: DeviceBuffer(8), lambda: PinnedArray((2, 3), np.uint8)])
def test_without_a_driver_nothing_is_created(make: Callable[[], object]) -> None:
    with pytest.raises(CudaError, match=r"^cuda\w+: cudaErrorInsufficientDriver \(CUDA driver version is insufficient"):
        make()


def test_without_the_package_the_import_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(ImportError, match=r"cuda\.bindings"):
        cuda.runtime.__wrapped__()


def test_the_stand_in_has_no_function_that_cuda_lacks() -> None:
    modelled = {name: member for name, member in vars(HostCuda).items() if name.startswith("cuda")}
    assert len(modelled) > 20
    for name, method in modelled.items():
        function = getattr(real, name)
        parameters = len(inspect.signature(method).parameters) - 1
        assert len(inspect.signature(function).parameters) == parameters, name
    with pytest.raises(AttributeError, match="cudaMalok"):
        HostCuda().cudaMalok  # noqa: B018
    with pytest.raises(NotImplementedError, match="cudaMallocPitch"):
        HostCuda().cudaMallocPitch  # noqa: B018


def test_devices(host: HostCuda) -> None:
    first, second = devices()
    assert (first.index, second.index) == (0, 1)
    assert (first.name, first.compute_capability, first.memory, first.multiprocessors) == (
        "Host GPU",
        (9, 0),
        2**34,
        132,
    )
    assert driver_version() == "13.2"
    host.gpus = 0
    assert devices() == []


def test_an_error_names_function_code_and_text_and_is_cleared(host: HostCuda) -> None:
    with pytest.raises(
        CudaError, match=r"^cudaSetDevice: cudaErrorInvalidDevice \(invalid device ordinal\)$"
    ) as caught:
        cuda.select(2)
    assert caught.value.code == "cudaErrorInvalidDevice"
    assert host.last_error == real.cudaError_t.cudaSuccess


def rows(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 256, shape, np.uint8)


def test_only_the_first_rows_are_copied_and_only_after_a_wait(host: HostCuda) -> None:
    with (
        Stream() as stream,
        Event() as done,
        PinnedArray((4, 3, 2), np.float32) as source,
        PinnedArray((4, 3, 2), np.float32) as target,
        DeviceBuffer(96) as buffer,
    ):
        source.array[:], target.array[:] = np.arange(24, dtype=np.float32).reshape(4, 3, 2), -1
        buffer.upload(source, 3, stream)
        buffer.download(target, 2, stream)
        done.record(stream)
        assert (target.array == -1).all()
        done.wait()
        np.testing.assert_array_equal(target.array[:2], source.array[:2])
        assert (target.array[2:] == -1).all()
    assert [size for _, size in host.copies] == [72, 48]
    assert host.leaks() == []


def test_pinned_arrays_are_views_of_cudas_memory(host: HostCuda) -> None:
    with PinnedArray((2, 5), np.float32) as pinned:
        pinned.array[:] = 1.5
        assert pinned.array.dtype == np.float32
        np.testing.assert_array_equal(host.region(pinned.handle, 40, "host").view(np.float32), 1.5)


def test_seconds_between_events(host: HostCuda) -> None:
    host.clock = iter([1.0, 1.25, 1.5]).__next__
    with Stream() as stream, Event(timing=True) as early, Event(timing=True) as late, Event() as untimed:
        for event in (early, late, untimed):
            event.record(stream)
        with pytest.raises(CudaError, match="cudaErrorNotReady"):
            late.since(early)
        late.wait()
        assert late.since(early) == 0.25
        with pytest.raises(CudaError, match="cudaErrorInvalidResourceHandle"):
            untimed.since(early)


@pytest.mark.parametrize("make", [Stream, Event, lambda: DeviceBuffer(8), lambda: PinnedArray((2,), np.uint8)])
def test_closing_twice_frees_once(host: HostCuda, make: Callable[[], Any]) -> None:
    thing = make()
    assert len(host.leaks()) == 1
    thing.close()
    calls = len(host.calls)
    thing.close()
    assert host.leaks() == []
    assert len(host.calls) == calls


def test_what_cannot_be_freed_is_logged_and_does_not_stop_the_rest(host: HostCuda) -> None:
    with structlog.testing.capture_logs() as logs, ExitStack() as stack:
        stack.enter_context(Stream())
        stack.enter_context(DeviceBuffer(8))
        host.failing = lambda index, name: real.cudaError_t.cudaErrorUnknown if name == "cudaFree" else None
    assert host.leaks() == ["device memory"]
    (entry,) = logs
    assert "cudaFree: cudaErrorUnknown" in entry["reason"]


def test_even_an_empty_buffer_has_an_address(host: HostCuda) -> None:
    with DeviceBuffer(0) as buffer:
        assert buffer.handle


def test_a_graph_replays_what_was_captured_on_the_data_of_that_moment(host: HostCuda) -> None:
    with (
        Stream() as stream,
        PinnedArray((4,), np.uint8) as source,
        PinnedArray((4,), np.uint8) as target,
        DeviceBuffer(4) as buffer,
    ):
        target.array[:] = 0

        def copies() -> None:
            buffer.upload(source, 4, stream)
            buffer.download(target, 4, stream)

        with Graph.capture(stream, copies) as graph:
            stream.synchronize()
            assert (target.array == 0).all()
            for value in (7, 9):
                source.array[:] = value
                graph.launch(stream)
                stream.synchronize()
                assert (target.array == value).all()
    assert host.leaks() == []


@pytest.mark.parametrize("cause", ["synchronise", "allocate", "raise"])
def test_a_capture_that_fails_leaves_the_stream_usable(host: HostCuda, cause: str) -> None:
    def invalidate() -> None:
        if cause == "raise":
            raise ValueError("no kernel")
        stream.synchronize() if cause == "synchronise" else DeviceBuffer(8)

    with Stream() as stream:
        with pytest.raises(ValueError if cause == "raise" else CudaError):
            Graph.capture(stream, invalidate)
        assert host.last_error == real.cudaError_t.cudaSuccess
        stream.synchronize()
        Graph.capture(stream, lambda: None).close()
    assert host.leaks() == []


def test_a_capture_leaks_nothing_whichever_call_fails(host: HostCuda) -> None:
    with Stream() as stream:
        before = len(host.calls)
        Graph.capture(stream, lambda: None).close()
        made = host.calls[before:]
        assert len(made) == 5
        for failing in made[:3]:
            host.failing = lambda index, name, failing=failing: (
                real.cudaError_t.cudaErrorUnknown if name == failing else None
            )
            with pytest.raises(CudaError, match=failing):
                Graph.capture(stream, lambda: None)
            host.failing = lambda index, name: None
            assert host.leaks() == ["Stream"]
