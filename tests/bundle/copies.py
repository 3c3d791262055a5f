"""Copies of a real bundle, as other versions."""

import shutil
from pathlib import Path

from vitscope.bundle import Manifest
from vitscope.bundle.reader import CHECKSUM, MANIFEST, checksum_line


def copy_bundle(source: Path, destination: Path, prefix: str = "") -> None:
    """Copy `source` to <models>/<name>/<version>, replacing a bundle there.

    `prefix` is prepended to its labels, so that its answers can be told apart.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    staged = destination.parent / f".{destination.name}-staged"
    shutil.copytree(source, staged)
    manifest = Manifest.model_validate_json((source / MANIFEST).read_bytes())
    labels = tuple(prefix + label for label in manifest.labels)
    named = {"name": destination.parent.name, "version": int(destination.name), "labels": labels}
    (staged / MANIFEST).write_text(manifest.model_copy(update=named).model_dump_json())
    (staged / CHECKSUM).write_bytes(checksum_line(staged / MANIFEST))
    if destination.exists():
        replaced = destination.parent / f".{destination.name}-replaced"
        destination.rename(replaced)
        staged.rename(destination)
        shutil.rmtree(replaced)
    else:
        staged.rename(destination)
