"""Servers of two tiny models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Once
from tests.e2e.harness import RunningServer
from tests.export.checkpoints import save, vit
from vitscope.export.pipeline import ExportJob, export_checkpoint


@pytest.fixture(scope="session")
def two_models(once: Once) -> Path:
    """A folder of two tiny models without certificates."""

    def export(folder: Path) -> None:
        checkpoint = save(folder / "checkpoint", vit())
        for name in ("left", "right"):
            export_checkpoint(ExportJob(str(checkpoint), folder / "models", name, certificate=False, evidence=False))

    return once("two-models", export) / "models"


@pytest.fixture(scope="session")
def server(two_models: Path) -> Iterator[RunningServer]:
    with RunningServer(two_models) as running:
        yield running


@pytest.fixture(scope="session")
def full_server(two_models: Path) -> Iterator[RunningServer]:
    """A server with two places for requests, one for each caller."""
    with RunningServer(two_models, "--max-in-flight", "2") as running:
        yield running
