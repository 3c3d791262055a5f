"""The versions in the models folder, and what tells their contents apart."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from vitscope.bundle import BundleError
from vitscope.bundle.files import read_regular
from vitscope.bundle.reader import ENGINES, MANIFEST, model_folders, versions
from vitscope.server.models.key import ModelKey


@dataclass(frozen=True)
class Stamp:
    """Content of a version's folder. manifest: SHA-256 of its manifest; another one means another bundle. files: a
    digest of the names, sizes and times of all its files but the engine cache; another one means that some file was
    touched."""

    manifest: str
    files: str


def survey(models: Path) -> dict[ModelKey, Stamp]:
    """Return the versions in a models folder. A folder without a manifest counts as no version: it is still being
    written, or being removed. If a model's folder cannot be read, `ModelKey.of_unreadable` stands for its versions.
    Raises BundleError if the models folder cannot be read. Reads disks, but waits for nobody."""
    found: dict[ModelKey, Stamp | None] = {}
    for model in model_folders(models):
        try:
            found |= {ModelKey.of(path): _stamp(path) for path in versions(model)}
        except BundleError as error:
            found[ModelKey.of_unreadable(model.name)] = Stamp(f"unreadable: {error}", "")
    return {key: stamp for key, stamp in found.items() if stamp}


def _stamp(path: Path) -> Stamp | None:
    try:
        manifest = hashlib.sha256(read_regular(path / MANIFEST)).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, BundleError) as error:
        manifest = f"unreadable: {error}"  # loading it will say so
    return Stamp(manifest, _files(path))


def _files(path: Path) -> str:
    """Return a digest of all files. It includes the time of change (ctime), because copies may keep that of the content
    (mtime)."""
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
