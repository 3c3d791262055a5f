"""A process that decodes one image and ends. Runs in a fork of the template."""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from vitscope.server.decoding.job import DecodeJob, pack_failure, pack_prepared, pack_refusal
from vitscope.server.decoding.wire import receive, send
from vitscope.server.errors import InvalidRequest

# Decoding of uncertain cost gives way to everything else that the server does, its engines too, which run at 10.
_NICE = 15
_PR_SET_PDEATHSIG = 1  # see prctl(2)
# Beyond the budget, for what a library maps but does not write: RLIMIT_AS counts it, RLIMIT_DATA does not.
_MAPPED = 256 * 2**20
# A file, and the few hundred bytes that say what to do with it. The server has checked the size of the file.
_MAX_BYTES = 2**31


def run(connection: socket.socket, parent: int) -> None:
    """Receive one job, decode it within its budget, and reply. parent: process id of the template.

    The kernel ends this process by a signal if it uses more than its processor time (SIGPROF), or if the template has
    ended (SIGKILL).
    """
    _die_with(parent)
    _quiet()
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    job, budget = DecodeJob.unpack(receive(connection, _MAX_BYTES))
    limit_memory(budget.bytes)
    signal.setitimer(signal.ITIMER_PROF, budget.seconds)
    reply = _decode(job)
    signal.setitimer(signal.ITIMER_PROF, 0)
    send(connection, reply)


def _decode(job: DecodeJob) -> Sequence[bytes]:
    try:
        return pack_prepared(job())
    except InvalidRequest as error:
        return pack_refusal(error)
    except MemoryError:
        return pack_failure("memory", "out of memory")
    except Exception as error:
        return pack_failure("error", f"{type(error).__name__}: {error}")


def limit_memory(budget: int) -> None:
    """Let this process use `budget` bytes more than now; what needs more raises MemoryError. Nothing without /proc."""
    try:
        pages = [int(number) for number in Path("/proc/self/statm").read_text().split()]
    except OSError:
        return
    page = resource.getpagesize()
    _lower(resource.RLIMIT_DATA, pages[5] * page + budget)
    _lower(resource.RLIMIT_AS, pages[0] * page + budget + _MAPPED)


def _lower(which: int, limit: int) -> None:
    _, hard = resource.getrlimit(which)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(which, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked to tell
        os._exit(1)


def _quiet() -> None:
    """Write no core files, and none of the libraries' messages about a caller's file."""
    _lower(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
