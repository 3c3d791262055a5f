"""Nothing that this project starts opens a connection that its user did not ask for, looks up a name, or leaves ids.

Each command runs in a network namespace, where nothing leaves the machine, and every connection and every name that is
looked up is recorded. Where none may be made, strace records its calls instead.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.connections import namespace, traced
from tests.e2e.harness import ROOT

STAGES = ("server", "export", "finetune", "loadtest")
LIBRARIES = "openvino, onnxruntime, nncf, transformers, huggingface_hub, torch"
# Long enough for what libraries begin on threads of their own when they are imported.
_SECONDS = 2


@dataclass(frozen=True)
class Recorded:
    """A home of its own, and the record of what runs in it.

    recorder: returns what to put before a command for a record. outside: reads from it who was asked for anything.
    """

    home: Path
    record: Path
    recorder: Callable[[Path], list[str]]
    outside: Callable[[Path], list[str]]

    def run(self, *command: str) -> None:
        """Run Python with these arguments, and check that it asked nobody for anything, and left no files."""
        done = subprocess.run(
            [*self.recorder(self.record), sys.executable, *command],
            cwd=ROOT, env=environment(self.home), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        time.sleep(0.2)  # strace writes its last lines when the command has ended
        assert self.outside(self.record) == []
        left = {file.relative_to(self.home) for file in self.home.rglob("*") if file.is_file()}
        caches = {(".cache", "vitscope"), (".cache", "matplotlib")}  # matplotlib's is its list of the fonts here
        assert {file for file in left if file.parts[:2] not in caches} == set()


def environment(home: Path) -> dict[str, str]:
    """Return nothing of the tests' own environment that would switch anything off."""
    return {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT / "src"), "HOME": str(home)}


def start(folder: Path, kind: str) -> Recorded:
    ways = {"namespace": (namespace, namespace.why_not), "strace": (traced, lambda: traced.why_not(folder))}
    way, why_not = ways[kind]
    if reason := why_not():
        pytest.skip(reason)
    (folder / "home").mkdir()
    return Recorded(folder / "home", folder / "record", way.recorder, way.outside)


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return start(tmp_path, "strace" if namespace.why_not() else "namespace")


ASKING = {
    r"192\.0\.2\.9": "socket.create_connection(('192.0.2.9', 443), timeout=1)",
    r"192\.0\.2\.10": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.10', 4000))",
    r"2001:db8::9": "socket.create_connection(('2001:db8::9', 443), timeout=1)",
}


@pytest.mark.parametrize("kind", ["namespace", "strace"])
@pytest.mark.parametrize("address", ASKING)
def test_connections_are_seen(kind: str, address: str, tmp_path: Path) -> None:
    ask = f"""
import contextlib, socket
with contextlib.suppress(OSError): {ASKING[address]}
"""
    with pytest.raises(AssertionError, match=address):
        start(tmp_path, kind).run("-c", ask)


def test_names_that_are_looked_up_are_seen_and_answered(tmp_path: Path) -> None:
    ask = "import socket; assert socket.gethostbyname('reports.example.org') == '192.0.2.1'"
    with pytest.raises(AssertionError, match=r"name reports\.example\.org"):
        start(tmp_path, "namespace").run("-c", ask)


def test_what_a_command_asks_of_itself_is_no_connection_to_others(recorded: Recorded) -> None:
    recorded.run(
        "-c", "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    )


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
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment(tmp_path), check=False)
    assert ended.returncode == 0


def test_importing_the_client_changes_nothing_in_its_users_process() -> None:
    script = """
import os, sys; before = dict(os.environ)
from vitscope import Client
sys.exit(before != dict(os.environ) or "openvino_telemetry" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_what_a_user_has_set_stays() -> None:
    script = "import os, sys, vitscope.server; sys.exit(os.environ['ORT_DISABLE_TELEMETRY'] != '0')"
    variables = {"PYTHONPATH": str(ROOT / "src"), "ORT_DISABLE_TELEMETRY": "0"}
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=variables, check=False).returncode == 0


def test_libraries_report_nothing_when_they_are_imported(recorded: Recorded) -> None:
    recorded.run("-c", f"import time, vitscope.export, {LIBRARIES}; time.sleep({_SECONDS})")


def test_a_server_and_a_load_test_report_nothing(recorded: Recorded, models: Path, photo: bytes) -> None:
    base = recorded.home.parent
    (base / "photo.jpg").write_bytes(photo)
    recorded.run("-m", "tests.connections.served", str(models), str(base / "photo.jpg"), str(base / "report"))


def test_an_export_reports_nothing(recorded: Recorded, registers_checkpoint: Path, calibration: Path) -> None:
    out = str(recorded.home.parent / "models")
    options = ["--calibration", str(calibration), "--allow-uncertified", "--no-evidence", "--out", out]
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
