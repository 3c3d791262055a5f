"""The real server in a process of its own, on free ports."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from vitscope.loadtest.numbered import in_comment
from vitscope.v1 import classifier_pb2_grpc

ROOT = Path(__file__).parents[2]


class ServerProcess:
    """Runs `python -m vitscope.server`, behind the command `prefix` if there is one, and reads its log.

    Leaving the block stops it, and checks that it ended with code 0 and logged each of `errors` (names of events), and
    no other error.
    """

    def __init__(
        self,
        models: Path,
        *arguments: str,
        python: str = sys.executable,
        folder: Path = ROOT,
        errors: Sequence[str] = (),
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        flags = ["--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0", "--drain-seconds", "0"]
        server = [python, "-m", "vitscope.server", str(models), *flags, "--log-format", "json", *arguments]
        self._command, self._environment = [*prefix, *server], {**os.environ, **(environment or {})}
        self._folder, self._errors = folder, set(errors)
        self.events: list[dict[str, Any]] = []
        self._terminated = False
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, cwd=self._folder, env=self._environment, stderr=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()
        code = self.process.wait(timeout=60)
        if error is None:
            assert code == 0, self.events
            logged = self.of_level("error")
            assert {event["event"] for event in logged} == self._errors, logged

    def terminate(self) -> None:
        """Send TERM, once: a second one would end the process at once."""
        if not self._terminated and self.process.poll() is None:
            self._terminated = True
            self.process.send_signal(signal.SIGTERM)

    def wait_for(self, name: str, timeout: float = 30) -> dict[str, Any]:
        """Return the next log event called `name`."""
        until = time.monotonic() + timeout
        while True:
            found = self._lines.get(timeout=max(0.01, until - time.monotonic()))
            assert found is not None, f"the server ended: {self.events}"
            if found["event"] == name:
                return found

    def of_level(self, level: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("level") == level]

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                event = json.loads(line) if line.startswith("{") else {"event": line.rstrip(), "level": "raw"}
                self.events.append(event)
                self._lines.put(event)
        self._lines.put(None)


class RunningServer(ServerProcess):
    """A server that serves when the block begins."""

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.serving = serving = self.wait_for("serving", timeout=90)
        except BaseException:
            self.process.kill()
            raise
        self.address, self.http = serving["grpc"], f"http://{serving['http']}"
        self.channel = grpc.insecure_channel(self.address)
        self.stub = classifier_pb2_grpc.ClassifierServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()
        super().__exit__(kind, error, trace)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.http + path, timeout=10) as response:
            return str(response.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a series whose labels include these."""
        total = 0.0
        for line in self.get("/metrics").splitlines():
            named = line.startswith((f"{name}{{", f"{name} "))
            if named and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    def check(self, service: str = "") -> int:
        return self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status


def numbered(jpeg: bytes, number: int) -> bytes:
    """Return the same photo in different bytes, so that requests for it do not share one computation."""
    return in_comment(jpeg, b"%016d" % number)


def run_server(models: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to end by itself."""
    command: Sequence[str] = [sys.executable, "-m", "vitscope.server", str(models), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
