"""Failing calls, each in turn: the error names the call, nothing leaks, and the next run works."""

from collections import Counter
from typing import Any

import pytest
from cuda.bindings import runtime as real

from tests.server.engines.host_cuda import installed
from tests.server.engines.tensorrt.machine import check_run, machine, opened
from tests.server.engines.tensorrt.recording import TensorRt
from vitscope.server.engines.cuda import CudaError
from vitscope.server.engines.tensorrt import bindings
from vitscope.server.engines.tensorrt.plan import TensorRtError

_, DRIVER = real.cudaDriverGetVersion()
UNKNOWN = real.cudaError_t.cudaErrorUnknown


def scenario() -> None:
    """Open and close an engine with two slots, a run of a graph and one without."""
    with opened() as engine:
        slots = [engine.slot(), engine.slot()]
        for slot, n in [(slots[0], 3), (slots[1], 12), (slots[1], 1)]:
            check_run(slot, n)


def recorded_calls() -> list[str]:
    with machine() as trt:
        scenario()
    return list(trt.cuda.calls)


CALLS = recorded_calls()
FREES = {
    "cudaStreamDestroy",
    "cudaEventDestroy",
    "cudaFree",
    "cudaFreeHost",
    "cudaGraphDestroy",
    "cudaGraphExecDestroy",
}
CAPTURES = {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate"}


@pytest.mark.skipif(bool(DRIVER), reason="a driver would take the handles for its own")
def test_the_real_bindings_take_the_same_arguments_and_return_as_many_values() -> None:
    with machine() as trt:
        scenario()
    assert trt.cuda.examples.keys() == set(CALLS)
    for name, arguments in trt.cuda.examples.items():
        answer = getattr(real, name)(*arguments)
        assert answer[0] == real.cudaError_t.cudaErrorInsufficientDriver, name
        assert len(answer) == trt.cuda.answers[name], name


@pytest.mark.parametrize("failing", sorted(set(CALLS) - FREES - CAPTURES))
def test_whichever_call_fails_the_error_names_it_and_nothing_leaks(failing: str) -> None:
    for index in [index for index, name in enumerate(CALLS) if name == failing]:
        with machine() as trt:
            trt.cuda.failing = lambda at, name, index=index: UNKNOWN if at == index else None
            try:
                scenario()
            except CudaError as error:
                assert str(error).startswith(f"{failing}: cudaErrorUnknown")
            else:
                # Errors are ignored only while everything is freed, because the rest has to be freed too.
                assert index > CALLS.index("cudaGraphExecDestroy") - 3
            trt.cuda.failing = lambda at, name: None
            scenario()


@pytest.mark.parametrize("failing", sorted(FREES))
def test_a_resource_that_cannot_be_freed_keeps_no_other(failing: str) -> None:
    for index in [index for index, name in enumerate(CALLS) if name == failing]:
        with installed() as cuda, pytest.MonkeyPatch.context() as patch:
            trt = TensorRt(cuda)
            patch.setattr(bindings, "load", lambda trt=trt: trt)
            cuda.failing = lambda at, name, index=index: UNKNOWN if at == index else None
            scenario()
            assert len(cuda.leaks()) == 1
            assert cuda.violations == []


@pytest.mark.parametrize("failing", sorted(CAPTURES))
def test_a_capture_that_fails_costs_a_graph_and_nothing_else(failing: str) -> None:
    for index in [index for index, name in enumerate(CALLS) if name == failing]:
        with machine() as trt:
            trt.cuda.failing = lambda at, name, index=index: UNKNOWN if at == index else None
            scenario()


@pytest.mark.parametrize(
    "failing", ["cudaMemcpyAsync", "cudaEventRecord", "cudaGraphLaunch", "cudaEventSynchronize", "cudaEventElapsedTime"]
)
def test_a_slot_works_again_after_a_run_that_failed(trt: TensorRt, failing: str) -> None:
    with opened() as engine:
        slot = engine.slot()
        slot.pixels[:] = 7
        for turn in range(Counter(CALLS)[failing]):
            seen = Counter[str]()

            def fail(index: int, name: str, turn: int = turn, seen: Counter[str] = seen) -> Any:
                seen[name] += 1
                return UNKNOWN if name == failing and seen[name] == turn + 1 else None

            trt.cuda.failing = fail
            with pytest.raises(CudaError, match=failing):
                for _ in range(turn + 1):
                    slot.run(3)
            trt.cuda.failing = lambda index, name: None
            assert slot.broken is None
            check_run(slot, 5, seed=turn)


def test_a_slot_with_an_error_that_cuda_does_not_recover_from_is_broken(trt: TensorRt) -> None:
    with opened() as engine:
        slot, other = engine.slot(), engine.slot()
        illegal = real.cudaError_t.cudaErrorIllegalAddress
        trt.cuda.failing = lambda index, name: illegal if "Synchronize" in name else None
        with pytest.raises(CudaError, match="cudaEventSynchronize: cudaErrorIllegalAddress"):
            slot.run(3)
        assert slot.broken == engine.status().broken
        assert "cudaStreamSynchronize: cudaErrorIllegalAddress" in (slot.broken or "")
        trt.cuda.failing = lambda index, name: None
        with pytest.raises(
            TensorRtError, match="cannot be used any more: cudaEventSynchronize: cudaErrorIllegalAddress"
        ):
            slot.run(3)
        check_run(other, 3)


def test_a_run_that_tensorrt_refuses_fails_with_its_message(trt: TensorRt) -> None:
    with opened() as engine:
        slot = engine.slot()
        trt.cuda.last.error = UNKNOWN  # of another library, on this thread
        with pytest.raises(TensorRtError, match="did not run a batch of 12\n  - after a launch: cudaErrorUnknown"):
            slot.run(9)
        trt.cuda.cudaGetLastError()
        check_run(slot, 9)
