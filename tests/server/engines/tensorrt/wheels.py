"""Wheels that tests need outside of the environment, and processes that find their libraries."""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn
from unittest import mock

import pytest

_PINS = Path(__file__).parents[4] / "requirements/rtx.txt"
_FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vitscope/test-wheels"


def versions(package: str) -> list[str]:
    """Return the pinned versions of a package."""
    pins = (line.partition("==") for line in _PINS.read_text().splitlines())
    return [version for name, _, version in pins if name == package]


def installed(package: str, version: str) -> Path:
    """Return the folder of a wheel's files, downloaded once per machine. Skips the test where that fails."""
    folder = _FOLDER / f"{package}-{version}-{sys.implementation.cache_tag}"
    failure = None if folder.is_dir() else _install(f"{package}=={version}", folder)
    if failure:
        unavailable(f"{package} {version} cannot be installed: {failure}")
    return folder


def unavailable(reason: str) -> NoReturn:
    """Skip the test; in CI, where nothing may be missing, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def process(packages: Path, libraries: Path) -> ProcessPoolExecutor:
    """Start a process for native code that may abort: `packages` on the module path, `libraries` on the linker's."""
    pool = ProcessPoolExecutor(1, get_context("spawn"), _enter, (str(packages),))
    # The linker reads the variable once, when a process starts.
    with mock.patch.dict(os.environ, {"LD_LIBRARY_PATH": str(libraries)}):
        pool.submit(os.getpid).result()
    return pool


def _enter(packages: str) -> None:
    sys.path.insert(0, packages)


@cache
def _install(pin: str, folder: Path) -> str | None:
    """Install a wheel's files in a folder; return why that failed, or None."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as unfinished:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--no-compile", "--retries=1", "--target", f"{unfinished}/files", pin]
        pip = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if pip.returncode:
            return pip.stderr.strip().splitlines()[-1]
        with suppress(OSError):  # another test run was faster
            Path(unfinished, "files").rename(folder)
    return None
