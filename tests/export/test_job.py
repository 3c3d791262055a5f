"""The options of an export: what they select, and which are refused at once."""

from pathlib import Path

import pytest

from vitscope.export.errors import ExportError
from vitscope.export.job import ExportJob
from vitscope.export.methods import METHODS
from vitscope.export.pipeline import export_checkpoint


@pytest.mark.parametrize("name", ["Fashion", "", "../up", "a b"])
def test_names_are_checked_first(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="--name"):
        export_checkpoint(ExportJob("nowhere", tmp_path, name))


@pytest.mark.parametrize("variant", ["int8", "fp8"])
def test_variants_need_the_certificate(variant: str, tmp_path: Path) -> None:
    job = ExportJob("nowhere", tmp_path / "models", "x", certificate=False, **{variant: True})  # type: ignore[arg-type]
    message = f"--{variant}: accepted only with the certificate, since {variant} that nobody measured"
    with pytest.raises(ExportError, match=message):
        export_checkpoint(job)
    assert not job.models.exists()


def test_what_is_selected() -> None:
    job = ExportJob("nowhere", Path("models"), "x", int8=True, fp8=True)
    assert job.variants == ("int8", "fp8") and job.methods == METHODS
    without = ExportJob("nowhere", Path("models"), "x", attention=False)
    assert without.variants == () and "attention" not in [method.name for method in without.methods]
