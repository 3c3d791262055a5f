"""How many CPUs this process may use, and how many threads it runs on them."""

import math
import os
import sys
import threading
from dataclasses import dataclass

from vitscope.cpus import cpu_share

# A tenth of the scheduling weight of a thread at nice 0 (see sched(7)).
_NICE = 10


@dataclass(frozen=True)
class ThreadPlan:
    """How many threads to run.

    engine: threads of the engine, divided among its streams. decode: threads of the decode pool. cpus: CPUs that they
    share. reason: where the numbers come from.
    """

    engine: int
    decode: int
    cpus: float
    reason: str


def plan_threads(engine: int, decode: int) -> ThreadPlan:
    """Return the numbers from the settings, or the CPU quota where they are 0.

    Engine and decode threads exceed the cores on purpose: images are decoded while a batch runs, and the kernel divides
    the CPU time.
    """
    share, reason = cpu_share()
    cpus = math.ceil(share)
    return ThreadPlan(engine or cpus, decode or cpus, share, reason)


def available_cpus() -> int:
    """Return how many CPUs this process may use, rounded up."""
    return math.ceil(cpu_share()[0])


def give_way() -> None:
    """Lower the priority of the calling thread, and of the threads that it starts from now on.

    Engines compute for milliseconds without a pause. A thread that needs the CPU for a moment, such as the event loop,
    would often wait behind them; all other Python threads wait too while it holds the interpreter's lock (GIL). On
    Linux only, where each thread has its own priority.
    """
    if sys.platform == "linux":
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, max(_NICE, os.getpriority(os.PRIO_PROCESS, own)))
