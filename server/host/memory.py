"""The memory of this process, as the kernel sees it."""

import ctypes
import os
from pathlib import Path

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Return the bytes of resident memory that belong to this process alone; 0 where the kernel does not say."""
    try:
        _, resident, shared, *_ = _STATM.read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE


def give_back() -> None:
    """Return freed memory to the system: glibc keeps much of what a burst has used. Takes milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
