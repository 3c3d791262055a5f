"""Nothing that this project starts opens a connection that its user did not ask for, looks up a name, or leaves ids.

Each command runs with strace beside it, which records every address that is connected or sent to.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.connections import outside, recorder, why_not
from tests.e2e.harness import ROOT, RunningServer
from vitscope.v1 import classifier_pb2, image_pb2

STAGES = ("server", "export", "finetune", "loadtest")
LIBRARIES = "openvino, onnxruntime, nncf, transformers, huggingface_hub, torch"
# Long enough for what libraries begin on threads of their own when they are imported.
_SECONDS = 2


@dataclass(frozen=True)
class Recorded:
    """A home of its own, and the record of what runs in it."""

    home: Path
    record: Path

    @property
    def prefix(self) -> list[str]:
        return recorder(self.record)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the tests' own environment that would switch anything off."""
        return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src"), "HOME": str(self.home)}

    def run(self, *command: str, code: int = 0) -> None:
        done = subprocess.run(
            [*self.prefix, sys.executable, *command],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        self.check()

    def check(self) -> None:
        time.sleep(0.2)  # the recorder writes its last lines when the command has ended
        assert self.record.stat().st_size, "nothing was recorded"
        assert outside(self.record) == []
        left = {file.relative_to(self.home) for file in self.home.rglob("*") if file.is_file()}
        caches = {(".cache", "vitscope"), (".cache", "matplotlib")}  # matplotlib's is its list of the fonts here
        assert {file for file in left if file.parts[:2] not in caches} == set()


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    if reason := why_not(tmp_path):
        pytest.skip(reason)
    (tmp_path / "home").mkdir()
    yield Recorded(tmp_path / "home", tmp_path / "record")


def test_the_recorder_sees_lookups_and_connections(recorded: Recorded) -> None:
    ask = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('192.0.2.1', 53))"
    with pytest.raises(AssertionError, match=r"192\.0\.2\.1"):
        recorded.run("-c", ask)


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_switches_reports_off_before_a_library_is_loaded(stage: str, tmp_path: Path) -> None:
    script = f"""
import os, sys, vitscope.{stage}
assert not {{"onnxruntime", "openvino", "nncf", "huggingface_hub", "locust"}} & sys.modules.keys()
assert os.environ["ORT_DISABLE_TELEMETRY"] == os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
try:
    import openvino_telemetry
except ImportError:
    sys.exit(0)
sys.exit(1)
"""
    environment = Recorded(tmp_path, tmp_path).environment
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=False).returncode == 0


def test_importing_the_client_changes_nothing_in_its_users_process() -> None:
    script = """
import os, sys; before = dict(os.environ)
from vitscope import Client
sys.exit(before != dict(os.environ) or "openvino_telemetry" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_what_a_user_has_set_stays() -> None:
    script = "import os, sys, vitscope.server; sys.exit(os.environ['ORT_DISABLE_TELEMETRY'] != '0')"
    environment = {"PYTHONPATH": str(ROOT / "src"), "ORT_DISABLE_TELEMETRY": "0"}
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=False).returncode == 0


def test_libraries_report_nothing_when_they_are_imported(recorded: Recorded) -> None:
    recorded.run("-c", f"import time, vitscope.export, {LIBRARIES}; time.sleep({_SECONDS})")


def test_a_server_and_a_load_test_report_nothing(recorded: Recorded, models: Path, photo: bytes) -> None:
    environment = {**recorded.environment, "CI": "", "ORT_DISABLE_TELEMETRY": "", "XDG_CACHE_HOME": ""}
    with RunningServer(models, prefix=recorded.prefix, environment=environment) as server:
        for model in ("fashion", "registers"):
            request = classifier_pb2.ClassifyRequest(image=image_pb2.Image(encoded=photo), model=model)
            assert server.stub.Classify(request, timeout=30).classes
        base = recorded.home.parent
        load = ["loadtest", "--server", server.address, "--rate", "5", "--duration", "2", "--model", "fashion"]
        target = ["--metrics", f"{server.http}/metrics", "--report", str(base / "report")]
        Recorded(recorded.home, base / "load").run("-m", "vitscope", *load, *target)
    recorded.check()


def test_an_export_reports_nothing(recorded: Recorded, registers_checkpoint: Path, calibration: Path) -> None:
    out = str(recorded.home.parent / "models")
    options = ["--calibration", str(calibration), "--allow-uncertified", "--out", out]
    recorded.run("-m", "vitscope", "export", str(registers_checkpoint), "--name", "registers", *options)


def test_finetuning_reports_nothing(recorded: Recorded, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "data" / place).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(random.integers(0, 255, (16, 16, 3), np.uint8)).save(
                tmp_path / f"data/{place}/{number}.png"
            )
    small = ["--image-size", "16", "--width", "32", "--depth", "1", "--heads", "2", "--epochs", "1"]
    recorded.run("-m", "vitscope", "finetune", str(tmp_path / "data"), "--out", str(tmp_path / "checkpoint"), *small)
