"""A copy of a checkpoint that a test may change, and a hub of its own."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copied(checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(checkpoints["vit"], tmp_path / "copied")
