"""What goes wrong, as a user of the command sees it: one line, before any training, and nothing written."""

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.finetune.conftest import SMALL, two_colours
from vitscope.finetune import space
from vitscope.finetune.cli import main


def refused(data: Path, out: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main([str(data), "--out", str(out), *options]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("vitscope finetune: ")
    assert not out.exists()
    return last


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--patch-size", "5"], "--image-size 28 is not a multiple of --patch-size 5"),
        (["--heads", "7"], "--width 192 is not a multiple of --heads 7"),
        (["--depth", "0"], "--depth is 0; accepted: 1 or more"),
        (["--epochs", "0"], "--epochs is 0; accepted: 1 or more"),
        (["--learning-rate", "0"], "--learning-rate is 0.0; accepted: more than 0"),
        (["--learning-rate", "nan"], "--learning-rate is nan; accepted: more than 0"),
        (["--randaugment", "11"], "--randaugment is 11.0; accepted: 0 to 10"),
        (["--mixup", "-1"], "--mixup is -1.0; accepted: 0 or more"),
        (["--mode", "lora"], "--mode lora needs --base"),
        (
            ["--base", "x", "--from-scratch"],
            "--from-scratch is for a model from random weights; leave it or --base out",
        ),
        (["--base", "x", "--depth", "3"], "--depth is for a model from random weights"),
        (["--precision", "float16", "--device", "cpu"], "--precision float16 needs a GPU"),
        (["--device", "cuda"], "--device cuda: torch finds no GPU here; accepted are cpu and auto"),
        (["--base", "no/such/checkpoint-anywhere"], "--base no/such/checkpoint-anywhere: not a loadable"),
        (["--resume"], "holds no unfinished run"),
        (["--seed", "-1"], "--seed is -1; accepted: 0 to 4294967295"),
        (["--threads", "-1"], "--threads is -1; accepted: 0 to 1024"),
    ],
)
def test_a_bad_option_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert message in refused(data, tmp_path / "out", capsys, *options)


def test_bad_data_is_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, source = tmp_path / "out", shutil.copytree(data, tmp_path / "data")
    (source / "train/red/deep").mkdir()
    shutil.copy(source / "train/red/0.png", source / "train/red/deep/0.png")
    assert "1 image too deep, in sub-folders of red" in refused(source, out, capsys)
    shutil.rmtree(source / "train/red/deep")
    (source / "train/red/bad.png").write_bytes(b"not a png")
    assert "1 unreadable image: train/red/bad.png (not an image)" in refused(source, out, capsys)
    shutil.copy(source / "test/red/0.png", source / "train/red/bad.png")
    assert "train/red/bad.png = test/red/0.png" in refused(source, out, capsys)
    assert "no such folder; accepted are" in refused(tmp_path / "nowhere", out, capsys)


@pytest.mark.parametrize("offline", [True, False])
def test_a_data_set_that_no_hub_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    assert main(["me/nothing", "--out", "out"]) == 2
    assert "me/nothing: no such folder, and no data set that the hub gives: " in capsys.readouterr().err


def test_no_images_to_validate_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "so that there is none to validate on" in refused(two_colours(tmp_path / "few", 1), tmp_path / "out", capsys)


def test_a_full_disk(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    message = refused(data, tmp_path / "out", capsys, *SMALL)
    assert "10 MB free on its disk; this run takes up to" in message


def test_a_folder_that_cannot_be_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", fail)
    assert "cannot be written (Read-only file system)" in refused(data, tmp_path / "out", capsys, *SMALL)


def test_a_disk_that_is_full_in_the_middle(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As safetensors says it. What is there can be gone on with."""
    from safetensors import SafetensorError

    from vitscope.finetune import trainer

    def fail(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    command = [str(data), "--out", str(tmp_path / "out"), "--base", str(base), "--mode", "full", "--epochs", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "save_weights", fail)
        assert main(command) == 2
    assert "no space left on its disk; make room, then --resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0


def test_a_result_among_the_images(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "lies in DATA, where it would be taken for a class" in refused(data, data / "out", capsys)


def test_a_damaged_base(base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = shutil.copytree(base, tmp_path / "base")
    (broken / "model.safetensors").write_bytes(b"no weights")
    assert f"--base {broken}: not a loadable" in refused(data, tmp_path / "out", capsys, "--base", str(broken))


def test_training_that_diverges_ends(
    data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--base", str(base), "--mode", "full", "--epochs", "9", "--learning-rate", "1e30", "--threads", "1"]
    assert main([str(data), "--out", str(tmp_path / "out"), *options]) == 2
    assert "training diverged in epoch 1" in capsys.readouterr().err


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for options, message in (
        (["data"], "--out is needed"),
        (["data", "--out", "o", "--resume", "--overwrite"], "choose"),
    ):
        with pytest.raises(SystemExit):
            main(options)
        assert message in capsys.readouterr().err
