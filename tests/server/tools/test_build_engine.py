"""`vitscope build-engine`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.server.models.bundles import write_bundle
from tests.server.tools.photos import photos
from vitscope.server.engines.cache import EngineCache
from vitscope.server.engines.openvino import OpenVinoSlot
from vitscope.server.tools.build_engine import main


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    """Undo the command's configuration of the logs, whose stream is closed after the test."""
    yield
    structlog.reset_defaults()


def test_what_a_server_would_measure_is_in_the_cache_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
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
    assert main([str(write_bundle(tmp_path / "models", "a", 1, tmp_path)), *arguments]) == status
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_a_verdict_on_own_images_decides_at_the_next_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = write_bundle(tmp_path / "models", "a", 1, tmp_path), tmp_path / "cache"
    photos(tmp_path / "photos", 8)
    options = [str(path), "--max-batch", "2", "--engine-cache", str(cache)]
    with monkeypatch.context() as patched:
        right = OpenVinoSlot.run
        patched.setattr(OpenVinoSlot, "run", lambda *a: {name: -values for name, values in right(*a).items()})
        assert main([*options, "--images", str(tmp_path / "photos")]) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed.startswith("a/1 classify: onnxruntime/f32 on CPU, batches to ")
    assert printed.endswith(": top-1 100.0% of 8 images")
    assert main(options) == 0, "openvino answers rightly now, and its verdict is kept"
    assert capsys.readouterr().out.splitlines()[-1].startswith("a/1 classify: onnxruntime/f32 on CPU")


@pytest.mark.parametrize("count", [0, 3])
def test_a_folder_with_too_few_images_is_a_usage_error(
    count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path / "photos", count)
    path = write_bundle(tmp_path / "models", "a", 1, tmp_path)
    assert main([str(path), "--images", str(tmp_path / "photos")]) == 2
    assert f"photos: {count} images; accepted: at least 8" in capsys.readouterr().err


def test_every_graph_of_a_bundle_is_built(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--engine", "onnxruntime", "--max-batch", "2", "--engine-cache", str(tmp_path / "cache")]
    assert main([str(models / "fashion" / "1"), *options]) == 0
    graphs = [
        line.split(":")[0].split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("fashion")
    ]
    assert graphs == ["classify", "attention", "evidence", "full"]
