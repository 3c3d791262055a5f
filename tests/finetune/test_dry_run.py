"""`--dry-run` and the display of a run."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.finetune.conftest import SMALL, Finetune
from vitscope.finetune.cli import main


@pytest.mark.parametrize("mode", ["auto", "lora"])
def test_a_dry_run_shows_all_and_trains_nothing(
    base: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    before = {path: path.stat().st_mtime_ns for path in base.rglob("*")}
    out = tmp_path / "out"
    assert main([str(data), "--out", str(out), "--base", str(base), "--mode", mode, "--dry-run", "--threads", "1"]) == 0
    text = capsys.readouterr().err
    assert "2 classes; images: 32 train, 8 validation, 8 test" in text
    assert [line.split() for line in text.splitlines() if line.startswith(("blue", "red"))] == [
        ["blue", "16", "4", "4"], ["red", "16", "4", "4"],
    ]  # fmt: skip
    assert "estimate: up to " in text and " GB of memory" in text and text.endswith("dry run: nothing was trained\n")
    assert {path.name for path in tmp_path.iterdir()} == {"out-dry-run.png"}
    with Image.open(tmp_path / "out-dry-run.png") as sheet:
        assert sheet.size == (804, 236)
    assert {path: path.stat().st_mtime_ns for path in base.rglob("*")} == before


def test_a_run_shows_nothing_but_its_own_lines(
    finetune: Finetune, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    finetune(*SMALL, "--epochs", "2")
    shown = capfd.readouterr()
    assert shown.out == ""
    # The command to copy is not broken.
    assert all(len(line) <= 80 for line in shown.err.splitlines() if not line.startswith("next: "))
    assert "Note: 32 images are few" in shown.err
    lines = [line.split() for line in shown.err.splitlines() if line.startswith("  epoch")]
    assert [line[1] for line in lines] == ["1/2", "2/2"]
    assert all("images/s" in line and "validation" in line for line in lines)
    for word in ("%|", "Loading weights", "Writing", "{'loss'", "Warning", "\x1b"):
        assert word not in shown.err


def test_help_loads_no_torch() -> None:
    code = (
        "import sys\nfrom vitscope.cli import main\ntry: main(['finetune', '--help'])\n"
        "except SystemExit: sys.exit(bool({'torch', 'transformers', 'PIL', 'numpy'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
