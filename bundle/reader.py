"""Finding and opening bundles. All files are verified before any is used."""

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from vitscope.bundle.certificate import Certificate
from vitscope.bundle.errors import BundleError
from vitscope.bundle.hashing import sha256_of
from vitscope.bundle.manifest import NAME_PATTERN, SCHEMA_VERSION, GraphName, Manifest, Variant

MANIFEST, CHECKSUM, CERTIFICATE, EXPLAIN, ENGINES = (
    "manifest.json", "manifest.sha256", "certificate.json", "explain.npz", "engines",
)  # fmt: skip


@dataclass(frozen=True)
class Bundle:
    """A verified bundle."""

    path: Path
    manifest: Manifest
    certificate: Certificate

    def graph_path(self, name: GraphName, variant: Variant | None = None) -> Path:
        """Return the ONNX file of a graph or of its variant. Raises KeyError if there is none."""
        graph = self.manifest.graphs[name]
        return self.path / (graph.variants[variant] if variant else graph.file)

    def verify(self) -> None:
        """Compare all files with their hashes. Raises BundleError that names one that is missing or changed."""
        for name, expected in self.manifest.files.items():
            _verify(self.path, name, expected)

    def explain(self) -> dict[str, np.ndarray]:
        """Load the arrays of explain.npz."""
        with np.load(self.path / EXPLAIN, allow_pickle=False) as arrays:
            return dict(arrays)


def open_bundle(path: Path) -> Bundle:
    """Verify the schema version and the hash of every file, then read manifest and certificate.

    Raises BundleError that says which file is missing, changed or not listed, or which field is wrong.
    """
    text = _verified_manifest(path)
    manifest = _parse_manifest(path / MANIFEST, text)
    bundle = Bundle(path, manifest, Certificate())
    bundle.verify()
    for extra in sorted(_files(path) - manifest.files.keys() - {MANIFEST, CHECKSUM}):
        raise BundleError(f"{path / extra}: not listed in {MANIFEST}; a bundle holds nothing but what it lists")
    try:
        certificate = Certificate.model_validate_json((path / CERTIFICATE).read_bytes())
    except (OSError, ValidationError) as error:
        raise BundleError(f"{path / CERTIFICATE}: {_explain(error)}") from error
    return replace(bundle, certificate=certificate)


def discover(models: Path) -> list[Path]:
    """List the bundles in a models folder, `<models>/<name>/<version>/`, by name and then version.

    Anything else (files, hidden or temporary folders, invalid names) is ignored. Raises BundleError if the folder is
    missing, or if it or a model's folder cannot be read: an unreadable bundle must not be taken for a removed one.
    """
    try:
        if not models.is_dir():
            raise BundleError(
                f"{models}: {'not a folder' if models.exists() else 'no such folder'}; "
                f"expected {models}/<name>/<version>/{MANIFEST}"
            )
        names = sorted(name for name in models.iterdir() if re.fullmatch(NAME_PATTERN, name.name) and name.is_dir())
    except OSError as error:
        raise _unreadable(error) from error
    return [version for name in names for version in versions(name)]


def versions(model: Path) -> list[Path]:
    """List the bundles of one model, by version. Raises BundleError if its folder cannot be read."""
    try:
        found = [
            version
            for version in model.iterdir()
            if re.fullmatch(r"[1-9][0-9]{0,9}", version.name) and int(version.name) < 2**32 and version.is_dir()
        ]
    except OSError as error:
        raise _unreadable(error) from error
    return sorted(found, key=lambda p: int(p.name))


def _unreadable(error: OSError) -> BundleError:
    return BundleError(f"{error.filename}: cannot be read ({error.strerror})")


def _verified_manifest(path: Path) -> bytes:
    if not path.is_dir():
        raise BundleError(f"{path}: no such folder")
    try:
        text = (path / MANIFEST).read_bytes()
        checksum = (path / CHECKSUM).read_bytes()
    except OSError as error:
        raise BundleError(f"{error.filename}: missing or unreadable; every bundle has one") from error
    # The version comes first: a newer schema may have other rules for the checks that follow.
    _refuse_other_schema(path / MANIFEST, text)
    if checksum != checksum_line(path / MANIFEST):
        raise BundleError(f"{path / MANIFEST}: changed since the export; its SHA-256 is not the one in {CHECKSUM}")
    return text


def _refuse_other_schema(path: Path, text: bytes) -> None:
    try:
        found = json.loads(text)["schema_version"]
    except (ValueError, KeyError, TypeError):
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


def _verify(path: Path, name: str, expected: str) -> None:
    try:
        found = sha256_of(path / name)
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
