"""`vitscope loadtest` refuses options and servers before it sends anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT, RunningServer
from vitscope.loadtest.cli import main


def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, *arguments: str) -> str:
    assert main([*arguments, "--report", str(tmp_path / "report")]) == 2
    return capsys.readouterr().err


def test_no_server(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "127.0.0.1:1 does not answer" in refused(capsys, tmp_path, "--server", "127.0.0.1:1")


def test_a_model_that_is_not_served(server: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = refused(capsys, tmp_path, "--server", server.address, "--model", "left,middle")
    assert f"--model: {server.address} does not serve 'middle'; it serves: left, right" in text


def test_no_model_where_there_are_several(
    server: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = refused(capsys, tmp_path, "--server", server.address)
    assert f"--model: not given, and {server.address} serves not one model but: left, right" in text


def test_objectives_and_photos_that_cannot_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bars.yml"
    path.write_text("constant: {all: {p90_ms: 1}}")
    assert f"{path}: constant.all: 'p90_ms' is not known" in refused(capsys, tmp_path, "--objectives", str(path))
    assert "no image in it" in refused(capsys, tmp_path, "--photos", str(tmp_path))


@pytest.mark.parametrize("arguments", [("--rate", "0"), ("--maps", "2"), ("--scenario", "steep"), ("--workers", "-1")])
def test_usage(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    assert exit_.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_without_locust_it_says_what_to_install() -> None:
    hidden = "import sys; sys.modules['locust'] = None; from vitscope.cli import main; sys.exit(main(['loadtest']))"
    run = subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "pip install 'vitscope[load]'" in run.stderr
