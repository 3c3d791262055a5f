"""Folders that the process may not read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def closed(folder: Path, left: int = 0) -> Iterator[None]:
    """Take from this process the right to read a folder, even if it is root. left: the mode meanwhile."""
    mode = folder.stat().st_mode
    folder.chmod(left)
    if root := os.getuid() == 0:
        os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        if root:
            os.setresuid(0, 0, 0)
        folder.chmod(mode)
