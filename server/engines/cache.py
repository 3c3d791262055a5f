"""A cache on disk for what was measured or compiled for one graph on one machine.

An entry is a file of one line of JSON (its key, and the SHA-256 of what follows) and the content. Entries can be made
anew and are never trusted: one that is damaged, or was made for another key, is deleted.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from vitscope.bundle import BundleError
from vitscope.bundle.files import LARGEST, open_regular, read_regular

log = structlog.get_logger()

Key = Mapping[str, object]

_SUFFIX, _UNFINISHED = ".entry", ".writing-"
# Large entries in a folder, the least recently used of which are deleted. Machines that share a folder of bundles each
# have their own entries.
_KEPT = 32
# Bytes up to which an entry is never deleted: it takes no room, and may be a verdict on images that are not given
# again.
_SMALL = 2**16
# Seconds after which an unfinished file must be that of a killed server.
_ABANDONED = 3600.0


def user_folder() -> Path | None:
    """Return the folder in the user's cache directory, as the XDG base directory specification defines it.

    None for a user who has no home, as in a container that runs under a number: no cache is needed to serve.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    folder = Path(named if os.path.isabs(named) else os.path.expanduser("~/.cache"))  # noqa: PTH111, PTH117
    return folder / "vitscope/engines" if folder.is_absolute() else None


class EngineCache:
    """Entries in the first folder that can be written to, `in_bundle` or one of `folders`; else nothing is kept.

    `in_bundle` is created without its parents: the bundle may have been moved away while it was measured, and must not
    come back as a folder without a manifest.

    Safe for several servers in one folder: an entry appears whole or not at all.
    """

    def __init__(self, *folders: Path, in_bundle: Path | None = None) -> None:
        self._in_bundle = in_bundle
        self._folders = (in_bundle, *folders) if in_bundle else folders

    def read(self, key: Key) -> bytes | None:
        """Return the content that was written under this key, or None. Never raises."""
        for folder in self._folders:
            path = folder / _name(key)
            try:
                content = _content(read_regular(path, LARGEST), key)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, BundleError) as error:
                log.warning("cached engine data ignored; it is made anew", file=str(path), reason=str(error))
                with suppress(OSError):
                    path.unlink()
                continue
            with suppress(OSError):
                os.utime(path)
            return content
        return None

    def known(self) -> Iterator[Mapping[str, Any]]:
        """Yield the keys of all entries, in no order; entries that cannot be read are left out."""
        for folder in self._folders:
            for path in folder.glob("*" + _SUFFIX):
                with suppress(OSError, ValueError, KeyError, BundleError), open_regular(path) as file:
                    yield json.loads(file.readline(_SMALL))["key"]

    def write(self, key: Key, content: bytes) -> None:
        """Store content under a key, replacing an earlier entry. Never raises: a server works without a cache."""
        reasons = []
        for folder in self._folders:
            try:
                folder.mkdir(parents=folder != self._in_bundle, exist_ok=True)
                _publish(folder / _name(key), _header(key, content) + content)
                _prune(folder)
            except OSError as error:
                reasons.append(str(error))
            else:
                return
        if self._folders:
            log.warning("engine data could not be cached; the next start makes it anew", reasons=reasons)


# Reads nothing and keeps nothing.
NO_CACHE = EngineCache()


def _name(key: Key) -> str:
    return hashlib.sha256(_canonical(key)).hexdigest()[:32] + _SUFFIX


def _canonical(key: Key) -> bytes:
    return json.dumps(key, sort_keys=True).encode()


def _header(key: Key, content: bytes) -> bytes:
    return json.dumps({"key": key, "sha256": hashlib.sha256(content).hexdigest()}, sort_keys=True).encode() + b"\n"


def _content(entry: bytes, key: Key) -> bytes:
    """Return the content of an entry. Raises ValueError where it is damaged or not of this key."""
    header, _, content = entry.partition(b"\n")
    if header + b"\n" != _header(key, content):
        raise ValueError("damaged, or made for something else")
    return content


def _publish(path: Path, entry: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(entry)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def _prune(folder: Path) -> None:
    """Delete all but the most recently used of the large entries. Another server may do so at the same time."""
    used: list[tuple[float, Path]] = []
    for path in folder.glob("*" + _SUFFIX):
        with suppress(FileNotFoundError):
            found = path.stat()
            if found.st_size > _SMALL:
                used.append((found.st_mtime, path))
    for _, path in sorted(used, reverse=True)[_KEPT:]:
        path.unlink(missing_ok=True)
    for path in folder.glob(_UNFINISHED + "*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
