"""A models folder that is unusable for a while."""

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.bundle.sample import write_sample
from vitscope.bundle import BundleError
from vitscope.server.models.folder import ModelsFolder
from vitscope.server.models.key import ModelKey


async def test_the_versions_and_their_folders(tmp_path: Path) -> None:
    path = write_sample(tmp_path, 2)
    folder = ModelsFolder(tmp_path)
    assert list(await folder.survey()) == [ModelKey("sample", 2)]
    assert folder.path_of(ModelKey("sample", 2)) == path


async def test_an_empty_folder_is_no_folder_without_versions(tmp_path: Path) -> None:
    folder = ModelsFolder(tmp_path)
    with pytest.raises(BundleError, match=r"no bundles in it; expected .*/<name>/<version>/manifest.json"):
        await folder.survey()
    assert await folder.survey_if_usable() is None


async def test_each_change_between_usable_and_unusable_is_logged_once(tmp_path: Path) -> None:
    folder = ModelsFolder(tmp_path / "models")
    with capture_logs() as logs:
        for _ in range(3):
            assert await folder.survey_if_usable() is None
        write_sample(tmp_path / "models", 1)
        for _ in range(2):
            assert await folder.survey_if_usable()
        shutil.rmtree(tmp_path / "models")
        assert await folder.survey_if_usable() is None
    assert [entry["event"] for entry in logs] == [
        "the models folder is not followed; everything stays as it is",
        "the models folder is followed again",
        "the models folder is not followed; everything stays as it is",
    ]
    assert "no such folder" in logs[0]["reason"]
