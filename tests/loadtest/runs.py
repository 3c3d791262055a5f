"""Processes of Locust and of `vitscope loadtest`. Several can run at a time: they mostly wait."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.e2e.harness import ROOT

# Small photos: decoding is not what is tested.
COMMON = ("--sizes", "96x64", "--deadline", "30")
LOCUST = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtest" / "locustfile.py"), "--headless"]


@dataclass
class Running:
    """A command with a report folder of its own."""

    report: Path
    command: list[str]

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @cached_property
    def ended(self) -> tuple[str, str]:
        """Standard output and standard error of the ended process."""
        try:
            return self.process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            self.stop()
            raise

    @property
    def code(self) -> int:
        assert self.ended
        return self.process.returncode

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.report / "summary.json").read_text())
        return found

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def loadtest(report: Path, *arguments: str) -> Running:
    return Running(report, _loadtest(report, *arguments))


def background_loadtest(report: Path, *arguments: str) -> Running:
    """Start it as a shell without job control starts a background command: with SIGINT ignored."""
    return Running(report, ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *_loadtest(report, *arguments)])


def _loadtest(report: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "vitscope.loadtest.cli", *COMMON, "--report", str(report), *arguments]


def locust(report: Path, *arguments: str) -> Running:
    return Running(report, [*LOCUST, *COMMON, "--report", str(report), *arguments])
