"""A loaded plan, on the stand-ins for TensorRT and CUDA: which plans it accepts, and its contexts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import structlog

from tests.server.engines.host_cuda import installed
from tests.server.engines.tensorrt.recipe import EXPLAINED, OUTPUTS, ROW, Recipe
from tests.server.engines.tensorrt.recording import EngineInspector, ICudaEngine, IExecutionContext, TensorRt
from vitscope.server.engines.classes import TARGETS
from vitscope.server.engines.cuda import DeviceBuffer, Stream
from vitscope.server.engines.tensorrt.plan import LoadedPlan, TensorRtError

BUCKETS = (1, 2, 4, 8, 16)


@pytest.fixture
def trt() -> Iterator[TensorRt]:
    with installed() as cuda:
        trt = TensorRt(cuda)
        yield trt
        assert cuda.violations == []
        assert cuda.leaks() == []


@contextmanager
def context(plan: LoadedPlan, bucket: int, **instead: int) -> Iterator[object]:
    names = [plan.pixels.name, *(output.name for output in plan.outputs)]
    with Stream() as stream, DeviceBuffer(plan.scratch) as scratch, DeviceBuffer(10_000) as buffer:
        yield plan.context(bucket, stream, scratch, dict.fromkeys(names, buffer.handle) | instead)


@contextmanager
def loaded(trt: TensorRt, recipe: Recipe | None = None) -> Iterator[LoadedPlan]:
    plan = LoadedPlan(trt, (recipe or Recipe()).plan, BUCKETS)
    yield plan
    plan.close()


def test_it_reads_inputs_and_outputs(trt: TensorRt) -> None:
    with loaded(trt) as plan:
        assert (plan.pixels.name, plan.pixels.row) == ("pixels", ROW)
        assert {output.name: output.row for output in plan.outputs} == OUTPUTS
        assert plan.pixels.batch(3) == (3, *ROW)
        assert plan.scratch == Recipe().scratch


def test_a_plan_that_explains_classes_has_a_second_input(trt: TensorRt) -> None:
    with loaded(trt, Recipe(inputs=("pixels", TARGETS), outputs=EXPLAINED)) as plan:
        assert plan.classes is not None and plan.classes.batch(3, 6) == (3, 6)
        shapes = {output.name: (output.batch(3, 6), output.dtype) for output in plan.outputs}
    assert shapes == {
        "logits": ((3, 5), np.float32), "evidence": ((3, 6, 6), np.float32), "evidence_class": ((3, 6), np.int64),
    }  # fmt: skip


def test_a_plan_whose_layers_cannot_be_read_is_used_all_the_same(
    trt: TensorRt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineInspector, "get_engine_information", lambda self, format: "no JSON")
    with structlog.testing.capture_logs() as logs, loaded(trt) as plan:
        assert plan.fused_attention is None
    assert [entry["event"] for entry in logs] == ["the layers of a TensorRT plan cannot be read"]


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        (Recipe(inputs=("pixels", "mask")), "inputs of the plan: found pixels, mask; needed: the pixels alone"),
        (
            Recipe(outputs=EXPLAINED),
            r"evidence of the plan: found FLOAT \[-1, -1, 6\]; needed: FLOAT, with -1 for the batch",
        ),
        (Recipe(inputs=()), "inputs of the plan: found none; needed: the pixels alone"),
        (Recipe(output_dtype="HALF"), r"logits of the plan: found HALF \[-1, 5\]; needed: FLOAT"),
        (Recipe(pixels=(-1, 6, 3)), r"pixels of the plan: found UINT8 \[-1, -1, 6, 3\]; needed: UINT8"),
        (Recipe(ranges=[(1, 1, 1), (2, 4, 8)]), "a batch of 16 is in none of the plan's ranges: 1 to 1, 2 to 8"),
    ],
)
def test_a_plan_of_another_kind_is_refused(trt: TensorRt, recipe: Recipe, complaint: str) -> None:
    with pytest.raises(TensorRtError, match=complaint):
        LoadedPlan(trt, recipe.plan, BUCKETS)


def test_a_plan_that_does_not_load_is_refused_with_tensorrts_message(trt: TensorRt) -> None:
    with pytest.raises(TensorRtError, match=r"does not load the plan of 7 bytes\n  - Error Code 6.*please rebuild"):
        LoadedPlan(trt, b"damaged", BUCKETS)


def test_without_a_gpu_tensorrt_does_not_start(trt: TensorRt) -> None:
    trt.cuda.gpus = 0
    with pytest.raises(TensorRtError, match="TensorRT does not start"):
        LoadedPlan(trt, Recipe().plan, BUCKETS)


@pytest.mark.parametrize(("bucket", "profile"), [(1, 1), (2, 2), (8, 2), (16, 0)])
def test_a_context_is_in_the_narrowest_profile_of_its_bucket(trt: TensorRt, bucket: int, profile: int) -> None:
    with loaded(trt, Recipe(ranges=[(1, 8, 16), (1, 1, 1), (2, 8, 8)])) as plan, context(plan, bucket) as made:
        assert made._profile == profile
        assert made.get_tensor_shape("logits") == (bucket, 5)
        del made


def test_a_refusal_of_a_context_has_tensorrts_message(trt: TensorRt) -> None:
    with loaded(trt) as plan:
        pixels, plan.pixels = plan.pixels, replace(plan.pixels, row=(1, 1, 3))
        with pytest.raises(
            TensorRtError, match=r"took no pixels of shape \(2, 1, 1, 3\)\n  - pixels of .* profile 1: 2 to 8"
        ):
            context(plan, 2).__enter__()
        plan.pixels = pixels
        with pytest.raises(TensorRtError, match="took no buffer for heat"):
            context(plan, 2, heat=1).__enter__()


@pytest.mark.parametrize(
    ("method", "fails", "complaint"),
    [
        ("infer_shapes", lambda self: ["pixels"], r"could not tell the shapes of its outputs without \['pixels'\]"),
        ("set_optimization_profile_async", lambda *_: False, "took no optimisation profile for a batch of 2"),
        ("get_tensor_shape", lambda self, name: (2, 9), r"logits is \(2, 9\) for a batch of 2"),
    ],
)
def test_every_result_of_a_context_is_checked(
    trt: TensorRt, monkeypatch: pytest.MonkeyPatch, method: str, fails: Any, complaint: str
) -> None:
    monkeypatch.setattr(IExecutionContext, method, fails)
    with loaded(trt) as plan, pytest.raises(TensorRtError, match=complaint):
        context(plan, 2).__enter__()


def test_shapes_that_cannot_be_inferred_are_an_error_of_its_own(trt: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> list[str]:
        raise RuntimeError("division by zero")

    monkeypatch.setattr(IExecutionContext, "infer_shapes", fail)
    with loaded(trt) as plan, pytest.raises(TensorRtError, match="shapes of its outputs: division by zero"):
        context(plan, 2).__enter__()


def test_a_context_without_memory_is_an_error(trt: TensorRt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ICudaEngine, "create_execution_context", lambda self, strategy: None)
    with loaded(trt) as plan, pytest.raises(TensorRtError, match="made no execution context"):
        context(plan, 2).__enter__()


def test_engine_and_runtime_end_in_that_order(trt: TensorRt) -> None:
    plan = LoadedPlan(trt, Recipe().plan, BUCKETS)
    with context(plan, 2):
        pass
    assert trt.ended == ["context"]
    plan.close()
    plan.close()
    assert trt.ended == ["context", "engine", "runtime"]
