"""How many processors this process may use, and what they are used for."""

import math
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
# A tenth of the weight of a thread that is not nice (see sched(7)).
_NICE = 10


@dataclass(frozen=True)
class ThreadPlan:
    """Threads of the engine (its streams divide them) and of the decode pool, the processors that they share, and where the numbers
    come from."""

    engine: int
    decode: int
    cpus: float
    reason: str


def plan_threads(engine: int, decode: int) -> ThreadPlan:
    """The settings' numbers, or the CPU quota where they are 0.

    Engine and decode threads overlap on purpose: an image is decoded while a batch runs, and the system shares the cores.
    """
    share, reason = cpu_share()
    cpus = math.ceil(share)
    return ThreadPlan(engine or cpus, decode or cpus, share, reason)


def available_cpus() -> int:
    """CPUs that this process may use, a part of one counted as one."""
    return math.ceil(cpu_share()[0])


def cpu_share(cgroup: Path = CGROUP) -> tuple[float, str]:
    """CPUs that this process may use, more than 0: its affinity mask or its cgroup quota, whichever is less; and why."""
    affinity = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    if quota is not None and 0 < quota < affinity:
        return quota, f"cgroup quota of {quota:g} CPUs (of {affinity} in the affinity mask)"
    return affinity, f"{affinity} CPUs in the affinity mask, no lower cgroup quota"


def give_way() -> None:
    """Let the calling thread, and those that it starts from now on, run when no other of this process wants to.

    Engines compute for milliseconds without a pause. Beside them a thread that needs the processor for a moment, such as the
    event loop, would wait for its turn again and again, and where it holds the interpreter's lock all others wait with it. On
    Linux only, where priorities belong to threads.
    """
    if sys.platform == "linux":
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, max(_NICE, os.getpriority(os.PRIO_PROCESS, own)))


def _quota(cgroup: Path) -> float | None:
    """CFS quota in CPUs: cpu.max of cgroup v2, or cpu.cfs_* of v1. None without one."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        v1 = cgroup / "cpu"
        limit, period = ((v1 / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None
