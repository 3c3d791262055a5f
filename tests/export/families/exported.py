"""Exports of the checkpoints in makers.py, each made once for all processes that run tests."""

from pathlib import Path

from tests.conftest import Once
from tests.export.checkpoints import save
from tests.export.families.makers import FORMS, MAKERS
from vitscope.bundle import Bundle, open_bundle
from vitscope.export.pipeline import ExportJob, export_checkpoint

# Whose certificate is looked at.
CERTIFIED = ("siglip", "hiera")
# Tracing it takes a while; test_forms.py has it of all of them.
WITH_EVIDENCE = ("beit", "swin")


def exported(name: str, once: Once, calibration: Path) -> tuple[Path, Bundle]:
    """Return the checkpoint of that name and its bundle, which has the checkpoint's name."""
    model = name.replace(" ", "-")

    def fill(folder: Path) -> None:
        source = save(folder / "checkpoint", {**MAKERS, **FORMS}[name]())
        images = (
            {"calibration": calibration, "allow_uncertified": True} if name in CERTIFIED else {"certificate": False}
        )
        job = ExportJob(str(source), folder / "models", model, evidence=name in WITH_EVIDENCE, **images)
        export_checkpoint(job)

    folder = once(f"family-{model}", fill)
    return folder / "checkpoint", open_bundle(folder / "models" / model / "1")
