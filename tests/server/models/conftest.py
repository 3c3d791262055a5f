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
