"""Looking at the models folder: which versions are there, and whether they are still what they were."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from vitscope.bundle import discover
from vitscope.bundle.reader import ENGINES, MANIFEST

# Name and version of a model.
Key = tuple[str, int]


@dataclass(frozen=True)
class Stamp:
    """What a version's folder holds. manifest: SHA-256 of its manifest, which tells bundles apart. files: a digest of the names,
    sizes and times of all its files but the engine cache, which tells whether anything was touched."""

    manifest: str
    files: str


def survey(models: Path) -> dict[Key, Stamp]:
    """The versions in a models folder; one without a manifest is not there yet, or no more. Raises BundleError when the folder,
    or that of a model, cannot be read. Blocks."""
    found = {(path.parent.name, int(path.name)): _stamp(path) for path in discover(models)}
    return {key: stamp for key, stamp in found.items() if stamp}


def _stamp(path: Path) -> Stamp | None:
    try:
        manifest = hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        manifest = f"unreadable: {error.strerror}"  # loading it will say so
    return Stamp(manifest, _files(path))


def _files(path: Path) -> str:
    """Times of change (ctime) beside those of the content, which copies may bring along."""
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(path):
        if Path(folder) == path and ENGINES in folders:
            folders.remove(ENGINES)
        folders.sort()
        for name in sorted(names):
            file = Path(folder) / name
            try:
                status = file.stat()
            except OSError as error:
                found: object = error.errno
            else:
                found = status.st_size, status.st_mtime_ns, status.st_ctime_ns
            digest.update(repr((str(file.relative_to(path)), found)).encode())
    return digest.hexdigest()
