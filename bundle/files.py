"""Opening files of a folder that others may write to: regular files of bounded size only, and never waiting for one.

A named pipe would block its reader for ever, a device may have no end, and a sparse file takes long to read.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vitscope.bundle.errors import BundleError

LARGEST_TEXT = 16 * 2**20
"""Bytes of a manifest, a certificate or a checksum. Twenty thousand labels take less than one million."""
LARGEST = 16 * 2**30
"""Bytes of any other file. The weights of the largest published ViT classifiers take 8 GB in float32."""


@contextmanager
def open_regular(path: Path, largest: int = LARGEST) -> Iterator[BinaryIO]:
    """Open a file, also behind links, for reading.

    Raises BundleError for what is not a regular file or has more than `largest` bytes, OSError if it cannot be opened.
    """
    _refuse_special(path, os.stat(path), largest)  # noqa: PTH116  # before it is opened: opening a device may do something
    # Not blocking, in case that it has been replaced by a pipe meanwhile; it has no effect on regular files.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as file:
        _refuse_special(path, os.fstat(descriptor), largest)
        yield file


def read_regular(path: Path, largest: int = LARGEST_TEXT) -> bytes:
    """Return the content of a file. Raises as `open_regular`, and BundleError if it has grown meanwhile."""
    with open_regular(path, largest) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise _too_large(path, len(content), largest)
    return content


def _refuse_special(path: Path, status: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(f"{path}: {_kind(status.st_mode)}; every file of a bundle is a regular file")
    if status.st_size > largest:
        raise _too_large(path, status.st_size, largest)


def _too_large(path: Path, size: int, largest: int) -> BundleError:
    return BundleError(f"{path}: {size:,} bytes; accepted: at most {largest:,}")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    return kinds.get(stat.S_IFMT(mode), "a device")
