"""A run that is killed: what is left, and that going on gives the result of a run that was not."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.finetune.conftest import SHORT, Finetune
from vitscope.finetune.cli import main

OPTIONS = ["--mode", "full", "--epochs", "5", "--ema", "0.9", "--mixup", "0.2", "--drop-path", "0.2", "--patience", "4"]


def killed(data: Path, out: Path, *options: str, after: str) -> None:
    """Run the command in a process of its own, and kill it as soon as a file is there."""
    command = [sys.executable, "-m", "vitscope", "finetune", str(data), "--out", str(out), *SHORT, *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 240
        while not list((out / ".training").glob(after)):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)


def test_after_kill_9_resume_gives_the_same_weights(
    data: Path, base: Path, tmp_path: Path, finetune: Finetune, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--base", str(base), *OPTIONS]
    whole = finetune(*options, out="whole")
    out = tmp_path / "killed"
    killed(data, out, *options, after="full/checkpoint-8")  # perhaps half written
    assert main([str(data), "--out", str(out), *SHORT, *options]) == 2
    assert "holds an unfinished run; go on with --resume, or begin again with --overwrite" in capsys.readouterr().err
    assert main([str(data), "--out", str(out), "--resume", "--epochs", "9"]) == 2
    assert "--epochs 9: the run that --resume goes on with has 5" in capsys.readouterr().err
    assert main([str(data), "--out", str(out), "--resume"]) == 0
    for name in ("model.safetensors", "calibration.json", "predictions.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    one, two = (json.loads((folder / "finetune.json").read_text()) for folder in (whole, out))
    assert one["epochs"] == two["epochs"] and one["best"] == two["best"]
    assert not (out / ".training").exists()
    assert main([str(data), "--out", str(out), "--resume"]) == 0
    assert "there is nothing to go on with" in capsys.readouterr().err


def test_resume_of_adapters_and_of_a_probe_before_them(
    data: Path, base: Path, tmp_path: Path, finetune: Finetune
) -> None:
    """In the same process: an error in the middle instead of a signal."""
    from vitscope.finetune import stages

    options = ["--base", str(base), "--mode", "lora", "--epochs", "3"]
    whole = finetune(*options, out="whole")
    broken, out = stages._keep, tmp_path / "out"

    def fail(*arguments: object) -> None:
        broken(*arguments)  # type: ignore[arg-type]
        if arguments[-1] == 2:
            raise MemoryError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(stages, "_keep", fail)
        main([str(data), "--out", str(out), *SHORT, *options])
    assert main([str(data), "--out", str(out), *SHORT, *options, "--resume"]) == 0
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_an_overwritten_checkpoint_is_there_until_the_new_one_is(
    data: Path, base: Path, finetune: Finetune, capsys: pytest.CaptureFixture[str]
) -> None:
    out = finetune("--base", str(base), "--mode", "probe")
    (out / "notes.txt").write_text("mine")
    files = {name: (out / name).read_bytes() for name in ("model.safetensors", "finetune.json", "README.md")}
    assert main([str(data), "--out", str(out), "--base", str(base)]) == 2
    assert "holds a checkpoint already; choose a new folder, or replace it with --overwrite" in capsys.readouterr().err
    killed(data, out, "--base", str(base), "--mode", "full", "--epochs", "5", "--overwrite", after="best.json")
    assert {name: (out / name).read_bytes() for name in files} == files
    assert main([str(data), "--out", str(out), "--resume"]) == 0
    assert (out / "model.safetensors").read_bytes() != files["model.safetensors"]
    assert (out / "notes.txt").read_text() == "mine"
    assert json.loads((out / "finetune.json").read_text())["stages"] == ["full"]


def test_what_is_no_checkpoint_is_not_overwritten(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert main([str(data), "--out", str(tmp_path), "--overwrite"]) == 2
    assert "holds other things than a checkpoint; choose a new folder" in capsys.readouterr().err
    assert main([str(data), "--out", str(tmp_path / "thesis.tex")]) == 2
    assert "a file; expected a folder" in capsys.readouterr().err


def test_changed_images_are_not_gone_on_with(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from vitscope.finetune.output import Output

    output = Output(tmp_path / "out")
    output.create({"options": {"base": str(base), "mode": "probe", **dict.fromkeys(_others())}, "threads": 1,
                   "fingerprint": "another"})  # fmt: skip
    assert main([str(data), "--out", str(tmp_path / "out"), "--resume"]) == 2
    assert "have changed since; begin again with --overwrite" in capsys.readouterr().err


def _others() -> set[str]:
    from vitscope.finetune.cli import _parser
    from vitscope.finetune.settings import options_of

    return set(options_of(_parser().parse_args(["data"]))) - {"base", "mode"}
