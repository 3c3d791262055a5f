"""The ladder and the declarations on it."""

import subprocess
import sys
from typing import get_args

import pytest

from tests.server.engines.ladders import change_kind
from vitscope.server.engines import cuda
from vitscope.server.engines.contract import Precision, Profile
from vitscope.server.engines.ladder import ENGINES, LADDER, PRECISIONS, default_kind, kind_named, rungs


def test_rungs_are_best_first_and_forms_stand_beside_each_other() -> None:
    assert [str(rung) for rung in rungs()] == [
        "tensorrt/f16",
        "tensorrt/bf16",
        "tensorrt/f32",
        "tensorrt/fp8",
        "onnxruntime-cuda/f16",
        "onnxruntime-cuda-fused/f16",
        "onnxruntime-cuda/f32",
        "onnxruntime-cuda-fused/f32",
        "openvino/int8",
        "openvino/bf16",
        "openvino/f32",
        "onnxruntime/f32",
    ]


def test_what_can_be_asked_for() -> None:
    assert ENGINES == ("tensorrt", "onnxruntime-cuda", "openvino", "onnxruntime")
    assert get_args(Precision) == PRECISIONS


def test_engines_are_found_by_name() -> None:
    assert [kind_named(kind.name) for kind in LADDER] == list(LADDER)
    assert len({kind.name for kind in LADDER}) == len(LADDER)
    assert all(kind_named(kind.plain_form).form_of is None for kind in LADDER)
    with pytest.raises(KeyError):
        kind_named("triton")


def test_the_default_needs_no_gpu() -> None:
    assert default_kind().name == "openvino"


def test_engines_on_a_gpu_are_gated() -> None:
    assert {kind.name for kind in LADDER if kind.gated} == {"tensorrt", "onnxruntime-cuda", "onnxruntime-cuda-fused"}


def test_a_change_of_a_kind_is_seen_on_its_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    change_kind(monkeypatch, "tensorrt", precisions=("f32",))
    assert [str(rung) for rung in rungs()][:2] == ["tensorrt/f32", "onnxruntime-cuda/f16"]


@pytest.mark.parametrize(
    ("engine", "threads", "streams"),
    [
        ("openvino", 1, [1]),
        ("openvino", 2, [1, 2]),
        ("openvino", 12, [1, 2, 3, 4, 6, 12]),
        ("openvino", 7, [1, 7]),
        ("onnxruntime", 1, [1]),
        ("onnxruntime", 12, [1, 12]),
    ],
)
def test_profiles_use_every_thread(engine: str, threads: int, streams: list[int]) -> None:
    assert kind_named(engine).profiles(threads) == [Profile(count, threads // count) for count in streams]


@pytest.mark.parametrize(("gpus", "streams"), [(1, [1, 2]), (2, [1, 2, 4]), (4, [1, 4, 8])])
@pytest.mark.parametrize("engine", ["tensorrt", "onnxruntime-cuda", "onnxruntime-cuda-fused"])
def test_profiles_of_gpus_run_once_or_twice_on_each(
    monkeypatch: pytest.MonkeyPatch, engine: str, gpus: int, streams: list[int]
) -> None:
    monkeypatch.setattr(cuda, "devices", lambda: ["a GPU"] * gpus)
    assert kind_named(engine).profiles(12) == [Profile(count, 1) for count in streams]


def test_settings_and_the_ladder_import_no_engine() -> None:
    engines = {"openvino", "onnxruntime", "tensorrt", "tensorrt_bindings", "cuda", "onnx"}
    loaded = f"import sys, vitscope.server.settings; print(*{engines} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
