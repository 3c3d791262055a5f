"""TERM while the server is still importing its libraries, also as the first process of a container."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT

COMMANDS = (("-m", "vitscope", "serve"), ("-m", "vitscope.server"))
# As the first process of a namespace of its own.
FIRST = ("unshare", "--pid", "--fork", "--kill-child")


def handled(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (number - 1) & 1)


def child_of(pid: int) -> int:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(children[0])
        time.sleep(0.001)
    raise AssertionError("it has no child")


def ended_by(command: Sequence[str], number: int, prefix: Sequence[str] = ()) -> int:
    """Start a server, send a signal while it imports its libraries, and return its exit status.

    It is stopped as soon as it handles the signal. On a busy machine that may be after the imports: then once more.
    """
    for _ in range(5):
        process = subprocess.Popen([*prefix, sys.executable, *command, "nothing"], cwd=ROOT)
        pid = child_of(process.pid) if prefix else process.pid
        try:
            until = time.monotonic() + 20
            while not handled(pid, signal.SIGTERM):
                assert process.poll() is None and time.monotonic() < until
                time.sleep(0.001)
            os.kill(pid, signal.SIGSTOP)
            if "grpc" in Path(f"/proc/{pid}/maps").read_text():
                continue
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)
            return process.wait(20)
        finally:
            process.kill()
            process.wait()
    raise AssertionError("the signal is not handled before the imports")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_during_the_imports_ends_it_at_once(command: Sequence[str], number: int, code: int) -> None:
    assert ended_by(command, number) == code


@pytest.mark.parametrize("command", COMMANDS)
def test_so_it_does_in_the_first_process_of_a_container(command: Sequence[str]) -> None:
    probe = subprocess.run([*FIRST, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no namespace of its own: {probe.stderr.strip()}")
    assert ended_by(command, signal.SIGTERM, FIRST) == 0
