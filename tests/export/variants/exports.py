"""Exports with variants, and the warnings that they give."""

from pathlib import Path

from vitscope.bundle import Bundle, Variant
from vitscope.export.certificate.images import ImageSet
from vitscope.export.pipeline import ExportJob, export_checkpoint
from vitscope.export.progress import Silent


class Listener(Silent):
    """Records the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def export(folder: Path, models: Path, photos: Path, *variants: Variant) -> tuple[Bundle, ImageSet | None, str]:
    """Export a checkpoint with these variants. Returns the bundle, its images and the warnings, one a line."""
    listener = Listener()
    asked = dict.fromkeys(variants, True)
    job = ExportJob(  # evidence has no 8-bit forms
        str(folder), models, "-".join(variants), calibration=photos, allow_uncertified=True, evidence=False, **asked
    )
    bundle, images = export_checkpoint(job, listener)
    return bundle, images, "\n".join(listener.warnings)
