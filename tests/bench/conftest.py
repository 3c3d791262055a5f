"""A tiny model and made-up results."""

from pathlib import Path

import pytest

from bench.models import Model, export_plain
from bench.results import Record, Results
from tests.export.checkpoints import save, vit
from vitscope.export.pipeline import ExportJob, export_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT of two layers for 32 pixels and five classes."""
    return save(tmp_path_factory.mktemp("bench") / "checkpoint", vit())


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> Model:
    """That checkpoint, exported in both ways."""
    folder = checkpoint.parent
    made = Model("tiny", folder / "tiny" / "bundles", folder / "tiny" / "plain" / "model.onnx")
    export_checkpoint(ExportJob(str(checkpoint), made.folder, made.name, version=1, certificate=False, evidence=False))
    export_plain(checkpoint, made.plain)
    return made


@pytest.fixture
def results() -> Results:
    """Three rounds in which the server reached 0.95, 0.80 and 1.00 of the limit."""
    results = Results()
    for round_, (ours, limit) in enumerate([(95.0, 100.0), (40.0, 50.0), (200.0, 200.0)]):
        for subject, load, figures in (
            ("limit", "combined", {"rate": limit}),
            ("vitscope", "32 clients", {"rate": ours, "p50_ms": 3.0, "streams": 1}),
            ("vitscope", "1 client", {"rate": ours / 2, "p50_ms": 2.0}),
        ):
            results.add(Record("served", "vit-ti", subject, load, round_, figures))
        for share in (50, 80, 95):
            figures = {"p50_ms": 1.0 + share, "p95_ms": 2.0 + share, "p99_ms": 3.0 + share, "refused": 0}
            results.add(Record("poisson", "vit-ti", "vitscope", f"{share} %", round_, figures))
        results.add(Record("poisson", "vit-ti", "engine", "one image", round_, {"run_ms": 10.0}))
    machine = {"processor": "a processor", "instructions": "avx2", "cores": "2 (of the machine)"}
    for section in ("served", "poisson"):
        results.circumstances[section] = {"when": "2026-01-02 03:04 UTC", "effort": "quick", "machine": machine}
    return results
