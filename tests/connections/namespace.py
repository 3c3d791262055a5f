"""A command in a network namespace of its own, seen from outside."""

import ipaddress
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A user of the machine may make one together with a user namespace; root, where that is forbidden, without.
_WAYS = (("unshare", "--net", "--mount"), ("unshare", "--map-root-user", "--net", "--mount"))


def recorder(record: Path) -> list[str]:
    """Return what to put before a command, so that it has its own network, and what it asks of it is recorded.

    The command runs with the repository as its working directory. Call it only where `why_not` returns nothing.
    """
    way, _ = _way()
    return [*way, sys.executable, "-m", "tests.connections.inside", str(record)]


def why_not() -> str:
    """Return why there can be no such network here; empty where there can be."""
    return _way()[1]


@cache
def _way() -> tuple[tuple[str, ...], str]:
    why = ""
    probe = [sys.executable, "-m", "tests.connections.inside", "/dev/null", "true"]
    for way in _WAYS:
        try:
            found = subprocess.run([*way, *probe], cwd=ROOT, capture_output=True, text=True, check=False)
        except OSError as error:
            return (), f"{way[0]}: {error.strerror}"
        if found.returncode == 0:
            return way, ""
        why = found.stderr.strip()[-200:]
    return (), f"no network namespace may be made here: {why}"


def outside(record: Path) -> list[str]:
    """Return what was asked of anybody but this machine, and every name that was looked up."""
    recording, *lines = record.read_text().splitlines()
    assert recording == "recording"
    return [line for line in lines if not _is_own(line)]


def _is_own(line: str) -> bool:
    kind, what, *_ = line.split(" ")
    return kind != "name" and ipaddress.ip_address(what).is_loopback
