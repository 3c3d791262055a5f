from pathlib import Path

import pytest

from server.engines.cache import EngineCache
from server.tools.build_engine import main
from tests.server.models.test_repository import bundle


def test_what_a_server_would_measure_is_in_the_cache_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle(tmp_path / "models", "a", 1, tmp_path)
    assert main([str(path), "--max-batch", "2", "--engine-cache", str(tmp_path / "cache")]) == 0
    assert capsys.readouterr().out.startswith("a/1 classify: openvino/f32 on ")
    assert [key["kind"] for key in EngineCache(tmp_path / "cache").known()] == ["tuning 1"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--engine", "tensorrt"], 1, "TensorRT cannot be imported"),
        (["--engine", "onnxruntime", "--precision", "bf16"], 1, "no engine is called onnxruntime/bf16"),
    ],
)
def test_an_engine_that_is_not_here_is_an_error_that_says_why(
    arguments: list[str], status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle(tmp_path / "models", "a", 1, tmp_path)), *arguments]) == status
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_a_mistake_of_the_caller(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
