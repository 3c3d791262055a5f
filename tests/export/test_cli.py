"""The command: exit codes, messages, reproducible files and engines."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vitscope.bundle import Bundle, open_bundle
from vitscope.export.cli import build_engine, main


def test_a_second_process_makes_the_same_graphs(
    bundles: dict[str, Bundle], checkpoints: dict[str, Path], photos: Path, tmp_path: Path
) -> None:
    arguments = [str(checkpoints["vit"]), "--name", "again", "--out", "models", "--version", "7"]
    arguments += ["--calibration", str(photos), "--allow-uncertified"]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "vitscope.export.cli", *arguments], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONHASHSEED": "5", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "vitscope serve models" in done.stderr and "Traceback" not in done.stderr and "Warning" not in done.stderr
    bundle = open_bundle(tmp_path / "models" / "again" / "7")
    files = {name: sha for name, sha in bundle.manifest.files.items() if name != "certificate.json"}
    assert len(files) == len(bundle.manifest.graphs) + 2  # the weights, and explain.npz
    assert files == {name: bundles["vit"].manifest.files[name] for name in files}
    for name in files:
        content = (bundle.path / name).read_bytes()
        assert str(root).encode() not in content and str(tmp_path).encode() not in content


def test_expected_failures_exit_with_2_and_one_paragraph(
    checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(checkpoints["vit"]), "--name", "x", "--out", str(tmp_path / "models")]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("vitscope export: --calibration:") and "--no-certificate" in message
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--int8"], "--calibration: --int8 takes its ranges from, and is certified on, real images"),
        (["--int8", "--calibration", "/nowhere"], "--calibration /nowhere: no such folder"),
        (["--int8", "--no-certificate"], "--int8: accepted only with the certificate"),
        (["--fp8"], "--calibration: --fp8 takes its ranges from, and is certified on, real images"),
        (["--fp8", "--no-certificate"], "--fp8: accepted only with the certificate"),
    ],
)
def test_8_bits_without_images_are_explained(
    arguments: list[str], message: str, checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(checkpoints["vit"]), "--name", "x", "--out", str(tmp_path / "models"), *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"vitscope export: {message}") and not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--size", "0"], ["--size", "32x"], ["--size", "-3"], ["--version", "0"], ["--version", "one"]],
    ids=" ".join,
)
def test_mistyped_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["somewhere", "--name", "x", "--out", "models", *arguments])
    assert stop.value.code == 2
    assert f"argument {arguments[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("file", "Not a directory"),
        ("file/x", "Not a directory"),
        ("/proc/x", "No such file"),
    ],
)
def test_a_destination_that_cannot_be_written_fails_first(
    out: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["team/none", "--name", "x", "--out", out]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"vitscope export: --out {out}: ") and message in err and err.count("\n") == 1


def test_a_full_disk_leaves_nothing(
    checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(checkpoints["vit"]), "--name", "x", "--out", str(tmp_path / "models"), "--no-certificate"]
    arguments += ["--no-evidence"]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # like a full disk: further writes raise OSError
    try:
        assert main(arguments) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"vitscope export: --out {tmp_path / 'models'}: File too large" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("engine", "status", "message"),
    [("onnxruntime", 0, "onnxruntime/f32 on CPU"), ("tensorrt", 1, "TensorRT cannot be imported")],
)
def test_an_engine_is_built_for_what_was_exported(
    engine: str,
    status: int,
    message: str,
    bundles: dict[str, Bundle],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    copied = tmp_path / "models" / bundles["vit"].manifest.name / str(bundles["vit"].manifest.version)
    shutil.copytree(bundles["vit"].path, copied)
    assert build_engine(open_bundle(copied), engine) == status
    printed = capfd.readouterr()
    assert message in printed.out + printed.err
    assert any((copied / "engines").glob("*")) == (status == 0)
