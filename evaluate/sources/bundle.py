"""A bundle, served by a server of its own on this machine: its engine, precision and pixels are those of serving."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitscope.bundle import BundleError, open_bundle
from vitscope.client.sync import Client
from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.sources.server import ServerSource
from vitscope.evaluate.sources.source import require_softmax

_FLAGS = ("--host", "127.0.0.1", "--grpc-port", "0", "--http-port", "0", "--drain-seconds", "0", "--log-format", "json")
_ENDING = 30  # seconds that the server has to end by itself


class BundleSource(ServerSource):
    """A bundle that only this process asks."""

    kind = "bundle"


@contextmanager
def served_bundle(path: Path, timeout: float, window: int) -> Iterator[BundleSource]:
    """Serve a bundle `<name>/<version>` on a free port of this machine while the block runs.

    Raises EvaluateError if it cannot be opened or served.
    """
    try:
        manifest = open_bundle(path).manifest
    except BundleError as error:
        raise EvaluateError(f"--bundle {error}") from error
    require_softmax(manifest.activation, f"--bundle {path}: the head")
    with tempfile.TemporaryDirectory() as scratch:
        # Of a models folder only this one: the others would be loaded too.
        alone = Path(scratch) / manifest.name / str(manifest.version)
        alone.parent.mkdir()
        alone.symlink_to(path.resolve())
        command = (sys.executable, "-m", "vitscope.server", scratch, *_FLAGS)
        log = Path(scratch) / "log"
        # Into a file: nobody reads a pipe while the server runs, and it would wait for somebody who does.
        with log.open("wb") as file, subprocess.Popen(command, stderr=file) as process:
            try:
                address = _address(process, log, path)
                with Client(address, timeout=timeout) as client:
                    yield BundleSource(client, address, manifest.name, manifest.version, window)
            finally:
                process.terminate()
                try:
                    process.wait(timeout=_ENDING)
                except subprocess.TimeoutExpired:
                    process.kill()


def _address(process: "subprocess.Popen[bytes]", log: Path, path: Path) -> str:
    """Return where the server listens, from its log. Raises EvaluateError with its last line if it ends instead."""
    while True:
        ended = process.poll() is not None
        events = [_event(line) for line in log.read_text(errors="replace").splitlines()]
        if serving := next((event for event in events if event.get("event") == "serving"), None):
            return str(serving["grpc"])
        if ended:
            last = events[-1] if events else {}
            reason = last.get("reason") or last.get("event") or f"exit status {process.returncode}"
            raise EvaluateError(f"--bundle {path}: the server ended before it served ({reason})")
        time.sleep(0.1)


def _event(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"event": line.strip()}
    return found if isinstance(found, dict) else {"event": line.strip()}
