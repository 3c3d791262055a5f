"""Finding and opening bundles. All files are verified before any is used."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from vitscope.bundle.certificate import Certificate
from vitscope.bundle.embedding import PatchEmbedding, patch_embedding
from vitscope.bundle.errors import BundleError
from vitscope.bundle.files import read_regular
from vitscope.bundle.graphs import GraphName, Variant
from vitscope.bundle.hashing import sha256_of
from vitscope.bundle.manifest import NAME_PATTERN, SCHEMA_VERSION, Manifest
from vitscope.bundle.samples import INDEX, MOST_BYTES, SAMPLES, Sample, read_index

MANIFEST, CHECKSUM, CERTIFICATE, EXPLAIN, ENGINES = (
    "manifest.json", "manifest.sha256", "certificate.json", "explain.npz", "engines",
)  # fmt: skip


def _go_on() -> None:
    """Never give up."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. digest: SHA-256 of manifest.json, and so of all files. samples: the photos that it brings."""

    path: Path
    manifest: Manifest
    certificate: Certificate
    digest: str = ""
    samples: tuple[Sample, ...] = ()

    def graph_path(self, name: GraphName, variant: Variant | None = None) -> Path:
        """Return the ONNX file of a graph or of its variant. Raises KeyError if there is none."""
        graph = self.manifest.graphs[name]
        return self.path / (graph.variants[variant] if variant else graph.file)

    def verify(self, proceed: Callable[[], None] = _go_on) -> None:
        """Compare all files with their hashes. Raises BundleError that names one that is missing or changed.

        proceed: called again and again; what it raises ends the comparison, which takes seconds for large weights.
        """
        for name, expected in self.manifest.files.items():
            _verify(self.path, name, expected, proceed)

    def explain(self) -> dict[str, np.ndarray]:
        """Load the arrays of explain.npz. Raises BundleError if the bundle has none."""
        if EXPLAIN not in self.manifest.files:
            raise BundleError(f"{self.path}: has no {EXPLAIN}; export the checkpoint again to have one")
        with np.load(self.path / EXPLAIN, allow_pickle=False) as arrays:
            return dict(arrays)

    def embedding(self) -> PatchEmbedding:
        """Return how patches become tokens. Raises BundleError if explain.npz does not say."""
        try:
            return patch_embedding(self.explain(), self.manifest.input, self.manifest.tokens, self.manifest.positions)
        except KeyError as error:
            raise BundleError(
                f"{self.path / EXPLAIN}: has no array {error}; export the checkpoint again to have it"
            ) from error

    def photo(self, sample: Sample) -> bytes:
        """Return the file of a sample. Raises BundleError if it was changed or removed since the bundle was opened."""
        name = f"{SAMPLES}/{sample.name}"
        try:
            data = read_regular(self.path / name, MOST_BYTES)
        except OSError as error:
            raise BundleError(f"{self.path / name}: cannot be read ({error.strerror})") from error
        if hashlib.sha256(data).hexdigest() != self.manifest.files[name]:
            raise BundleError(f"{self.path / name}: changed since the export")
        return data


def open_bundle(path: Path, proceed: Callable[[], None] = _go_on) -> Bundle:
    """Verify the schema version and the hash of every file, then read manifest and certificate.

    proceed: called again and again, may raise to give up. Files are opened without waiting for anybody (`files.py`).
    Raises BundleError that says which file is missing, changed or not listed, or which field is wrong.
    """
    text = _verified_manifest(path)
    manifest = _parse_manifest(path / MANIFEST, text)
    bundle = Bundle(path, manifest, Certificate(), hashlib.sha256(text).hexdigest())
    bundle.verify(proceed)
    for extra in sorted(_files(path) - manifest.files.keys() - {MANIFEST, CHECKSUM}):
        raise BundleError(f"{path / extra}: not listed in {MANIFEST}; a bundle holds nothing but what it lists")
    try:
        certificate = Certificate.model_validate_json(read_regular(path / CERTIFICATE))
    except (OSError, ValidationError) as error:
        raise BundleError(f"{path / CERTIFICATE}: {_explain(error)}") from error
    return replace(bundle, certificate=certificate, samples=_samples(path, manifest))


def _samples(path: Path, manifest: Manifest) -> tuple[Sample, ...]:
    found = read_index(path) if INDEX in manifest.files else ()
    for sample in found:
        if f"{SAMPLES}/{sample.name}" not in manifest.files:
            raise BundleError(f"{path / INDEX}: names {sample.name!r}, which {MANIFEST} does not list")
    return found


def discover(models: Path) -> list[Path]:
    """List the bundles in a models folder, `<models>/<name>/<version>/`, by name and then version.

    Anything else (files, hidden or temporary folders, invalid names) is ignored. Raises BundleError if the folder is
    missing, or if it or a model's folder cannot be read: an unreadable bundle must not be taken for a removed one.
    """
    return [version for name in model_folders(models) for version in versions(name)]


def model_folders(models: Path) -> list[Path]:
    """List the folders of models, by name, also those that cannot be read.

    Raises BundleError if the models folder is missing or cannot be read.
    """
    try:
        if not models.is_dir():
            raise BundleError(
                f"{models}: {'not a folder' if models.exists() else 'no such folder'}; "
                f"expected {models}/<name>/<version>/{MANIFEST}"
            )
        found = [path for path in models.iterdir() if re.fullmatch(NAME_PATTERN, path.name)]
    except OSError as error:
        raise _unreadable(error) from error
    return sorted(path for path in found if _may_be_folder(path))


def versions(model: Path) -> list[Path]:
    """List the bundles of one model, by version. Raises BundleError if its folder cannot be read."""
    try:
        found = [
            version
            for version in model.iterdir()
            if re.fullmatch(r"[1-9][0-9]{0,9}", version.name) and int(version.name) < 2**32 and _may_be_folder(version)
        ]
    except OSError as error:
        raise _unreadable(error) from error
    return sorted(found, key=lambda p: int(p.name))


def _may_be_folder(path: Path) -> bool:
    """Return whether a path is a folder, or cannot be told to be something else: whoever opens it says why."""
    try:
        return path.is_dir()
    except OSError:
        return True


def _unreadable(error: OSError) -> BundleError:
    return BundleError(f"{error.filename}: cannot be read ({error.strerror})")


def _verified_manifest(path: Path) -> bytes:
    try:
        if not path.is_dir():
            raise BundleError(f"{path}: no such folder")
        text, checksum = read_regular(path / MANIFEST), read_regular(path / CHECKSUM)
    except PermissionError as error:
        raise _unreadable(error) from error
    except OSError as error:
        raise BundleError(f"{error.filename}: missing or unreadable; every bundle has one") from error
    # The version comes first: a newer schema may have other rules for the checks that follow.
    _refuse_other_schema(path / MANIFEST, text)
    if checksum != f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n".encode():
        raise BundleError(f"{path / MANIFEST}: changed since the export; its SHA-256 is not the one in {CHECKSUM}")
    return text


def _refuse_other_schema(path: Path, text: bytes) -> None:
    try:
        found = json.loads(text)["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return  # the checksum or the schema check gives a better message
    if isinstance(found, int) and found > SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema version {found} is newer than this vitscope reads ({SCHEMA_VERSION}); update vitscope"
        )


def checksum_line(manifest: Path) -> bytes:
    """Return the content of manifest.sha256, in the format of sha256sum."""
    return f"{sha256_of(manifest)}  {manifest.name}\n".encode()


def _parse_manifest(path: Path, text: bytes) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{path}: {_explain(error)}") from error
    for name in manifest.files:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BundleError(f"{path}: files holds {name!r}, which is outside the bundle")
    return manifest


def _verify(path: Path, name: str, expected: str, proceed: Callable[[], None]) -> None:
    try:
        found = sha256_of(path / name, proceed)
    except FileNotFoundError as error:
        raise BundleError(f"{path / name}: missing; {MANIFEST} lists it") from error
    except OSError as error:
        raise BundleError(f"{path / name}: cannot be read ({error.strerror})") from error
    if found != expected:
        raise BundleError(
            f"{path / name}: changed since the export; SHA-256 is {found[:12]}…, {MANIFEST} says {expected[:12]}…"
        )


def _files(path: Path) -> set[str]:
    found: set[str] = set()
    for folder, folders, names in os.walk(path):
        if Path(folder) == path and ENGINES in folders:
            folders.remove(ENGINES)
        found.update(str((Path(folder) / name).relative_to(path)) for name in names)
    return found


def _explain(error: Exception) -> str:
    if isinstance(error, ValidationError):
        # A default that depends on other fields is not computed if one of those is wrong; that is no error of its own.
        errors = [e for e in error.errors() if e["type"] != "default_factory_not_called"]
        return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in errors)
    return str(error)
