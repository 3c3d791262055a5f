"""The summary of an export as text."""

import io
from pathlib import Path

from rich.console import Console

from vitscope.bundle import Bundle
from vitscope.export.certificate.images import find_images
from vitscope.export.report import show


def printed(bundle: Bundle, photos: Path | None, width: int = 110) -> str:
    """Return what `show` prints for a bundle that was certified on `photos`, or on nothing."""
    console = Console(file=io.StringIO(), width=width)
    show(console, bundle, Path("models"), find_images(photos, photos) if photos else None)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
