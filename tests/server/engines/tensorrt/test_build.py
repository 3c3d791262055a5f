"""Which plan is used, and when one is built: on the stand-ins for TensorRT and CUDA, with a recording builder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import structlog
from onnx import TensorProto

from tests.server.engines.graphs import CLASSES, HEIGHT, WIDTH
from tests.server.engines.tensorrt.machine import machine
from tests.server.engines.tensorrt.recipe import Recipe, answers
from tests.server.engines.tensorrt.recording import TensorRt
from tests.server.models.bundles import write_bundle
from vitscope.bundle import CLASSIFY, Bundle, open_bundle
from vitscope.server.engines.cache import EngineCache
from vitscope.server.engines.contract import Precision, Profile
from vitscope.server.engines.kind import EngineSpec
from vitscope.server.engines.tensorrt import bindings, build
from vitscope.server.engines.tensorrt.builder import Built
from vitscope.server.engines.tensorrt.identity import PlanIdentity
from vitscope.server.engines.tensorrt.runtime import TensorRtEngine

OUTPUTS = {"logits": (CLASSES,)}


class Host:
    """A machine with a GPU, a bundle and a cache, that records the builder's arguments."""

    def __init__(self, tmp_path: Path, trt: TensorRt, patch: pytest.MonkeyPatch) -> None:
        self.bundle: Bundle = open_bundle(write_bundle(tmp_path / "models", "a", 1, tmp_path))
        self.cache = EngineCache(tmp_path / "cache")
        self.folder = tmp_path / "cache"
        self.built: list[tuple[Any, Any, Any]] = []
        self.graphs: list[onnx.GraphProto] = []
        self.trt, self._patch = trt, patch
        self.version("11.4.0")
        patch.setattr(build, "build", self._build)
        patch.setattr(build, "Progress", lambda trt, report: None)  # the stand-in cannot build plans

    def version(self, version: str) -> None:
        self._patch.setattr(bindings, "version", lambda: version)

    def open(self, precision: Precision = "f16", max_batch: int = 4) -> TensorRtEngine:
        return build.open_plan(self.spec(precision, max_batch))

    def spec(self, precision: Precision = "f16", max_batch: int = 4) -> EngineSpec:
        path, profiles = self.bundle.graph_path(CLASSIFY), [Profile(1, 1)]
        return EngineSpec(self.bundle, CLASSIFY, path, precision, precision, profiles, max_batch, self.cache)

    def _build(self, trt: Any, source: Path, ranges: Any, options: Any, progress: Any) -> Built:
        self.built.append((source, ranges, options))
        self.graphs.append(onnx.load(source).graph)
        recipe = Recipe(pixels=(HEIGHT, WIDTH, 3), outputs=dict(OUTPUTS), ranges=[tuple(r) for r in ranges])
        return Built(recipe.plan, f"timings of build {len(self.built)}".encode(), ())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with machine() as trt:
        yield Host(tmp_path, trt, monkeypatch)


def test_a_plan_is_built_once_and_runs(host: Host) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, HEIGHT, WIDTH, 3), np.uint8)
    for _ in range(2):
        engine = host.open()
        assert str(engine.identity) == "tensorrt/f16"
        slot = engine.slot()
        slot.pixels[:3] = images
        np.testing.assert_array_equal(slot.run(3)["logits"], answers(images, OUTPUTS)["logits"])
        engine.close()
    assert len(host.built) == 1
    assert [tuple(r) for r in host.built[0][1]] == [(1, 1, 1), (2, 4, 4)]


@pytest.mark.parametrize(("precision", "weights"), [("f16", TensorProto.FLOAT16), ("bf16", TensorProto.BFLOAT16)])
def test_the_builder_is_given_the_graph_in_that_precision(host: Host, precision: Precision, weights: int) -> None:
    host.open(precision).close()
    (graph,) = host.graphs
    (matrix,) = [tensor for tensor in graph.initializer if tensor.name == "matrix"]
    assert matrix.data_type == weights
    assert graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_float32_is_built_from_the_file_that_was_exported(host: Host) -> None:
    host.open("f32").close()
    assert host.built[0][0] == host.bundle.graph_path(CLASSIFY)


def test_a_plan_of_another_version_is_named_and_replaced_by_one_of_this(host: Host) -> None:
    host.open().close()
    host.version("11.5.0")
    with structlog.testing.capture_logs() as logs:
        host.open().close()
    assert len(host.built) == 2
    (logged,) = [log for log in logs if log["event"] == "a cached plan cannot be used here"]
    assert logged["reason"] == "TensorRT: the plan has 11.4.0, needed is 11.5.0"
    host.version("11.4.0")
    host.open().close()
    assert len(host.built) == 2, "both are kept: machines may share the folder"


def test_other_batch_sizes_are_another_plan(host: Host) -> None:
    host.open(max_batch=4).close()
    host.open(max_batch=2).close()
    assert [tuple(r) for r in host.built[1][1]] == [(1, 1, 1), (2, 2, 2)]


def test_a_plan_that_was_tampered_with_never_reaches_tensorrt(host: Host) -> None:
    host.open().close()
    for entry in host.folder.glob("*.entry"):
        content = entry.read_bytes()
        entry.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    host.open().close()
    assert len(host.built) == 2


def test_timings_of_an_earlier_build_help_the_next(host: Host) -> None:
    host.open("f16").close()
    host.open("bf16").close()
    assert [options.timing_cache for *_, options in host.built] == [b"", b"timings of build 1"]


def test_whether_a_plan_is_built_is_known_without_building_it(host: Host) -> None:
    assert not build.is_built(host.spec())
    host.open().close()
    assert build.is_built(host.spec())
    assert not build.is_built(host.spec("bf16"))
    assert len(host.built) == 1


def test_identities_say_how_they_differ() -> None:
    one = PlanIdentity(
        tensorrt="11.4.0", gpu="NVIDIA L4", compute_capability="8.9", multiprocessors=58, driver="13.0", graph="a" * 64,
        precision="f16", batches=(1, 2),
    )  # fmt: skip
    other = one.model_copy(update={"gpu": "NVIDIA H100", "compute_capability": "9.0", "batches": (1, 2, 4)})
    assert one.differences(one) == ""
    assert one.differences(other) == (
        "GPU: the plan has NVIDIA L4, needed is NVIDIA H100; compute capability: the plan has 8.9, needed is 9.0; "
        "batch sizes: the plan has 1, 2, needed is 1, 2, 4"
    )
