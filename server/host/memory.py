"""The memory that this process may use and that it uses, and what the C library keeps of it."""

import ctypes
import os
from pathlib import Path

from vitscope.cgroup import MOUNT, OWN, memory_limit

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")

# <malloc.h> of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Up to these sizes freed memory is kept for the next request, instead of being returned to the system and fetched again
# page by page: a photo is received, parsed and copied, each time into a block of its own.
_KEPT_BLOCK = 4 * 2**20
_KEPT_TOTAL = 32 * 2**20


def available_memory(mount: Path = MOUNT, own: Path = OWN) -> int:
    """Return the bytes of the machine's memory, or of the smallest limit of this process's groups if that is less."""
    machine = _PAGE * os.sysconf("SC_PHYS_PAGES")
    return min(machine, memory_limit(mount, own) or machine)


def resident_bytes() -> int:
    """Return the bytes of resident memory that belong to this process alone; 0 where the kernel does not say."""
    try:
        _, resident, shared, *_ = _STATM.read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE


def keep_freed_memory() -> None:
    """Let malloc reuse freed memory. Does nothing where the C library has no mallopt, as on musl."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_TOTAL)


def give_back() -> None:
    """Return freed memory to the system: glibc keeps much of what a burst has used. Takes milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
