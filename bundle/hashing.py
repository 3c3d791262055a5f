"""SHA-256 of files."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from vitscope.bundle.files import open_regular

_CHUNK = 2**20


def sha256_of(path: Path, proceed: Callable[[], None] = lambda: None) -> str:
    """Return the hexadecimal SHA-256 of a file.

    proceed: called before each MiB; what it raises ends the reading. Raises OSError if the file cannot be read, and
    BundleError if it is not a regular file or too large.
    """
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    with open_regular(path) as file:
        while True:
            proceed()
            found = file.readinto(buffer)  # type: ignore[attr-defined]
            if not found:
                return digest.hexdigest()
            digest.update(buffer[:found])
