"""Writing a bundle: all files into a temporary folder, then one rename."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from vitscope.bundle.certificate import Certificate
from vitscope.bundle.errors import BundleError
from vitscope.bundle.hashing import sha256_of
from vitscope.bundle.manifest import Manifest
from vitscope.bundle.reader import CERTIFICATE, CHECKSUM, EXPLAIN, MANIFEST, checksum_line, versions
from vitscope.bundle.samples import INDEX, SAMPLES, Index, Sample


class BundleWriter:
    """Collects the files of a new bundle in `path` and publishes them all at once.

        with BundleWriter(models, "fashion") as writer:
            ...                                  # write into writer.path
            writer.publish(manifest)

    `version` None takes the next free number. Leaving the block without publishing removes everything.
    Raises BundleError if the version exists already.
    """

    def __init__(self, models: Path, name: str, version: int | None = None) -> None:
        self.version = version if version is not None else next_version(models, name)
        self.destination = models / name / str(self.version)
        if self.destination.exists():
            raise BundleError(
                f"{self.destination}: exists already; a version is never overwritten, choose another --version"
            )
        self._folder = models / name
        self._created = [p for p in (models, self._folder) if not p.exists()]

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Beside its destination, so that the rename stays on one file system; hidden, so that no server picks it up.
        self.path = Path(tempfile.mkdtemp(prefix=f".{self.version}-", dir=self._folder))
        self.path.chmod(0o755)
        return self

    def save_explain(self, arrays: dict[str, np.ndarray]) -> None:
        """Write explain.npz."""
        np.savez(self.path / EXPLAIN, allow_pickle=False, **arrays)

    def save_samples(self, photos: Sequence[tuple[Sample, bytes]]) -> None:
        """Write the photos that the bundle is shown with; nothing where there are none."""
        if not photos:
            return
        (self.path / SAMPLES).mkdir()
        for sample, data in photos:
            (self.path / SAMPLES / sample.name).write_bytes(data)
        index = Index(samples=tuple(sample for sample, _ in photos))
        (self.path / INDEX).write_text(index.model_dump_json(indent=2) + "\n")

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of every file written so far, by its path in the bundle."""
        return {
            str(p.relative_to(self.path)): sha256_of(p)
            for p in sorted(self.path.rglob("*"))
            if p.is_file() and p.name not in (MANIFEST, CHECKSUM)
        }

    def save_certificate(self, certificate: Certificate) -> None:
        """Write certificate.json."""
        (self.path / CERTIFICATE).write_text(certificate.model_dump_json(indent=2) + "\n")

    def publish(self, manifest: Manifest) -> Path:
        """Write the manifest and rename the folder to its destination. Returns the bundle's path.

        Raises BundleError if another export has published the version meanwhile.
        """
        (self.path / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n")
        (self.path / CHECKSUM).write_bytes(checksum_line(self.path / MANIFEST))
        try:
            self.path.rename(self.destination)
        except OSError as error:
            raise BundleError(f"{self.destination}: cannot be published ({error.strerror})") from error
        return self.destination

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in reversed(self._created):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def next_version(models: Path, name: str) -> int:
    """Return one more than the highest version of `name` in the models folder."""
    if not (models / name).is_dir():
        return 1
    return max((int(version.name) for version in versions(models / name)), default=0) + 1
