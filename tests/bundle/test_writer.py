"""Publishing bundles: at once, under a new version, or not at all."""

from pathlib import Path

import pytest

from tests.bundle.sample import MANIFEST, write_sample
from vitscope.bundle import BundleError, BundleWriter


def test_versions_count_up_and_are_never_overwritten(tmp_path: Path) -> None:
    assert write_sample(tmp_path).name == "1"
    assert write_sample(tmp_path).name == "2"
    assert write_sample(tmp_path, version=7).name == "7"
    assert write_sample(tmp_path).name == "8"
    with pytest.raises(BundleError, match=r"sample/7: exists already; a version is never overwritten"):
        BundleWriter(tmp_path, "sample", 7)


def test_nothing_is_visible_before_it_is_published_and_nothing_is_left_after_a_failure(tmp_path: Path) -> None:
    models = tmp_path / "models"
    with pytest.raises(RuntimeError), BundleWriter(models, "sample") as writer:
        (writer.path / "half").write_text("written")
        assert [p for p in (models / "sample").iterdir() if not p.name.startswith(".")] == []
        raise RuntimeError("the export failed")
    assert not models.exists()


def test_two_exports_at_once_cannot_publish_the_same_version(tmp_path: Path) -> None:
    with BundleWriter(tmp_path, "sample") as slow:
        fast = write_sample(tmp_path)
        manifest = MANIFEST.model_copy(update={"files": slow.files()})
        with pytest.raises(BundleError, match="cannot be published"):
            slow.publish(manifest)
    assert sorted(p.name for p in (tmp_path / "sample").iterdir()) == [fast.name]
