"""A models folder that is served."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.server.models.served_folder import BlockedLoads, ServedFolder
from vitscope.server.models import served


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[ServedFolder]:
    folder = ServedFolder(tmp_path)
    await folder.watcher.start()
    yield folder
    await folder.close()


@pytest.fixture
def blocked(folder: ServedFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[BlockedLoads]:
    blocked = BlockedLoads()
    monkeypatch.setattr(served, "open_bundle", blocked.open_bundle)
    yield blocked
    blocked.released.set()


@pytest.fixture
def open_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder by its relative path: pytest closes the folders above it to other users."""
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    return Path()
