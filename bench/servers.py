"""The servers that are measured, each in a process of its own on a free port of the loopback interface."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.limits import best_precision
from bench.models import ROOT, Model

_TICK = os.sysconf("SC_CLK_TCK")
# A bundle with random weights has no certificate, so the fastest precision of this processor is not certified.
VITSCOPE = (
    *("-m", "vitscope.server", "--allow-uncertified"),
    *("--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0"),
    *("--drain-seconds", "0", "--log-format", "json"),
)
# A plain server queues without bound. For a comparison in a closed loop, so must vitscope.
UNBOUNDED = ("--max-queue-wait", "3600")


class ServerFailed(Exception):
    """A server did not start. The message holds its last lines."""


class Server:
    """A process `python ARGUMENTS…`. Entering waits until it serves, leaving stops it.

    address: where it listens. ready_seconds: from the start of the process until it served.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> Self:
        began = time.monotonic()
        self.process = subprocess.Popen([sys.executable, *self._arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self._last: deque[str] = deque(maxlen=30)
        self.address = self._wait()
        self.ready_seconds = time.monotonic() - began
        # A full pipe would block the server.
        threading.Thread(target=self._drain, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far."""
        fields = (Path("/proc") / str(self.process.pid) / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def rss_mib(self) -> float:
        """Resident memory."""
        lines = (Path("/proc") / str(self.process.pid) / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))

    def _wait(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._last.append(line)
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "serving":
                return str(event["grpc"])
        self.process.stderr.close()
        self.process.wait()
        raise ServerFailed(f"{' '.join(self._arguments)} ended before it served:\n{''.join(self._last)}")

    def _drain(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            self._last.extend(lines)


def vitscope(model: Model, *flags: str) -> Server:
    return Server(*VITSCOPE, *flags, str(model.folder))


def echo() -> Server:
    return Server("-m", "bench.echo")


def plain(model: Model) -> Server:
    """Return the plain server."""
    contract = model.bundle.manifest.input
    colours = ("--mean", str(contract.mean[0]), "--std", str(contract.std[0]))
    return Server("-m", "bench.baseline", str(model.plain), *colours)


def informed(model: Model) -> Server:
    """Return the plain server with OpenVINO, vitscope's export and scaled decoding."""
    return Server("-m", "bench.baseline", str(model.graph), "--openvino", best_precision(), "--draft")
