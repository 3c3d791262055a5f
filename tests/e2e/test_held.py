"""What is held back from a server by its machine: files, memory, rights, time. It serves, or ends and says why."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import FASHION
from tests.e2e.bare import FILES
from tests.e2e.harness import ROOT, RunningServer
from tests.server.decoding.files import tiff, until
from vitscope import Client, ClientError, RenderingOptions

SAMPLES = sorted((FASHION / "samples").glob("*.png"))
# All that this process imports from, as others may not enter the virtual environment that it belongs to.
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONOPTIMIZE": "2"}
BARE = ["unshare", "--mount", sys.executable, "-m", "tests.e2e.bare"]


def python_for_others(folder: Path) -> str:
    """Return an interpreter that a user without rights can run the server with; skip the test where there is none."""
    why = ""
    for python in (
        os.path.realpath(sys.executable),
        f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}",
    ):
        probe = [*BARE, str(folder), python, "-c", "import vitscope.server.app"]
        ended = subprocess.run(
            probe, cwd=ROOT, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
        )
        if ended.returncode == 0:
            return python
        why = ended.stderr.strip()[-200:]
    pytest.skip(f"nothing can be taken from a process here: {why}")


@pytest.fixture(scope="module")
def bare(models: Path) -> Iterator[RunningServer]:
    """A server that has nothing but the right to read: see `bare.py`. Its code has neither asserts nor docstrings."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shutil.copytree(models / "fashion", Path(folder) / "fashion")
        python = python_for_others(Path(folder))
        prefix = [*BARE, folder]
        with RunningServer(Path("/srv"), python=python, prefix=prefix, environment=ENVIRONMENT) as server:
            yield server


def test_it_serves_with_nothing_but_the_right_to_read(bare: RunningServer) -> None:
    with Client(bare.address, timeout=60) as client:
        assert client.classify(SAMPLES[0]).classes[0].label == "ankle-boot"
        assert client.classify(tiff()).classes  # in a process of its own
        drawn = client.classify(SAMPLES[0], attention="last", rendering=RenderingOptions(kind="overlay"))
        assert drawn.maps[0].picture


def test_what_waits_while_it_is_stopped_is_answered_when_it_goes_on(bare: RunningServer) -> None:
    with Client(bare.address, timeout=60) as client:
        before = {number: client.classify(SAMPLES[number]).classes for number in range(4)}
    results: dict[int, object] = {}

    def ask(number: int) -> None:
        with Client(bare.address, timeout=60) as client:
            results[number] = client.classify(SAMPLES[number]).classes

    bare.process.send_signal(signal.SIGSTOP)
    try:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        assert results == {}
    finally:
        bare.process.send_signal(signal.SIGCONT)
    for thread in threads:
        thread.join(60)
    assert results == before


def test_more_connections_than_files_are_survived(bare: RunningServer) -> None:
    host, _, port = bare.address.rpartition(":")
    with contextlib.ExitStack() as flood:
        for _ in range(200):
            flood.enter_context(socket.create_connection((host, int(port)), timeout=10))
        files = Path(f"/proc/{bare.process.pid}/fd")
        until(lambda: len(list(files.iterdir())) == FILES)
    until(lambda: _answered(bare.address))


def _answered(address: str) -> bool:
    with Client(address, timeout=5) as client, suppress(ClientError):
        return bool(client.classify(SAMPLES[0]).classes)
    return False
