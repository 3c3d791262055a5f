"""One server for all tests of the page, and a browser; models of which some cannot have every panel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Once
from tests.e2e.harness import RunningServer
from tests.explorer.browser import browser
from tests.export.checkpoints import save, vit
from tests.export.families.makers import MAKERS
from vitscope.export.checkpoint.preprocess import Size
from vitscope.export.pipeline import ExportJob, export_checkpoint


@pytest.fixture(scope="session")
def explored(models: Path, once: Once) -> Path:
    """Four models: `fashion`, which has samples, `registers`, `wide` with a grid of 3 x 5, and `windows`, a Swin."""

    def fill(folder: Path) -> None:
        for name, made, size in (("wide", vit(), Size(24, 40)), ("windows", MAKERS["swin"](), None)):
            checkpoint = save(folder / "checkpoints" / name, made)
            export_checkpoint(ExportJob(str(checkpoint), folder / "models", name, size=size, certificate=False))
        for name in ("fashion", "registers"):
            (folder / "models" / name).symlink_to(models / name)

    return once("explored", fill) / "models"


@pytest.fixture(scope="session")
def server(explored: Path) -> Iterator[RunningServer]:
    with RunningServer(explored, "--max-image-mib", "1") as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser. Of one file, because Playwright has an event loop run in this thread until it is closed."""
    with browser() as running:
        yield running
