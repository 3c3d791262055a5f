"""A command with strace beside it, which writes down whom it connects or sends to."""

import re
import shutil
import subprocess
from pathlib import Path

_CALLS = "trace=connect,sendto,sendmsg,sendmmsg"
# An address that is sent or connected to: of the internet, and not of this machine.
_INTERNET = re.compile(r"sa_family=AF_INET6?\b.*?(?:inet_addr\(\"|inet_pton\(AF_INET6, \")([^\"]+)")
_NAMES = re.compile(r"htons\(53\)|htons\(5353\)|sun_path=\"[^\"]*resolve")


def recorder(record: Path) -> list[str]:
    """Return what to put before a command, so that its calls and those of its children are written to `record`.

    Signals reach the command itself: the recorder runs beside it, not before it.
    """
    return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-e", _CALLS, "-s", "200", "-o", str(record)]


def why_not(folder: Path) -> str:
    """Return why nothing can be recorded here; empty where it can be."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    record = folder / "probe"
    probe = [
        "python3",
        "-c",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))",
    ]
    found = subprocess.run([*recorder(record), *probe], capture_output=True, text=True, check=False)
    recorded = record.exists() and "127.0.0.1" in record.read_text()
    return "" if recorded else f"strace may not trace here: {found.stderr.strip()[-200:]}"


def outside(record: Path) -> list[str]:
    """Return the recorded calls that leave this machine or look a name up."""
    return [line for line in record.read_text().splitlines() if _NAMES.search(line) or _leaves(line)]


def _leaves(line: str) -> bool:
    return any(
        not (address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1", "0.0.0.0", "::"))
        for address in _INTERNET.findall(line)
    )
