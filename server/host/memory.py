"""How much memory this process may use."""

import os
from pathlib import Path

from vitscope.server.host.cpu import CGROUP


def available_memory(cgroup: Path = CGROUP) -> int:
    """Return the bytes of the machine's memory, or of the cgroup's limit if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [limit for name in ("memory.max", "memory/memory.limit_in_bytes") if (limit := _limit(cgroup / name))]
    return min([machine, *limits])


def _limit(path: Path) -> int | None:
    """Return the limit in a file of cgroup v2 or v1; None without one."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # v2 writes "max"; v1 a number beyond any machine's memory
        return None
