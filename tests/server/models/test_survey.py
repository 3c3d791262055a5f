"""The versions in a models folder, and what tells their contents apart."""

import os
import shutil
from pathlib import Path

import pytest

from tests.bundle.sample import write_sample
from tests.server.models.rights import closed
from vitscope.bundle import BundleError
from vitscope.server.models.key import ModelKey
from vitscope.server.models.survey import survey

SAMPLE = ModelKey("sample", 1)


def test_a_version_counts_from_its_manifest_on(tmp_path: Path) -> None:
    write_sample(tmp_path, 1)
    (write_sample(tmp_path, 2) / "manifest.json").unlink()
    (tmp_path / "sample/.3-copy").mkdir()
    (tmp_path / "sample/notes").mkdir()
    assert list(survey(tmp_path)) == [SAMPLE]


def test_stamps_tell_another_manifest_from_other_files(tmp_path: Path) -> None:
    path = write_sample(tmp_path, 1)
    before = survey(tmp_path)[SAMPLE]
    assert survey(tmp_path)[SAMPLE] == before
    weights = path / "graphs/weights.bin"
    content, times = weights.read_bytes(), weights.stat()
    weights.write_bytes(content[::-1])
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a copy that keeps times leaves it
    touched = survey(tmp_path)[SAMPLE]
    assert (touched.manifest, touched.files == before.files) == (before.manifest, False)
    (path / "manifest.json").write_text("{}")
    assert survey(tmp_path)[SAMPLE].manifest != before.manifest


def test_the_engine_cache_is_no_part_of_the_stamp(tmp_path: Path) -> None:
    path = write_sample(tmp_path, 1)
    before = survey(tmp_path)
    (path / "engines").mkdir()
    (path / "engines/plan").write_bytes(b"plan")
    assert survey(tmp_path) == before


def test_files_behind_links_are_part_of_the_stamp(tmp_path: Path) -> None:
    """As volumes made from ConfigMaps are laid out."""
    path = write_sample(tmp_path / "real", 1)
    (tmp_path / "models/sample").mkdir(parents=True)
    (tmp_path / "models/sample/1").symlink_to(path)
    before = survey(tmp_path / "models")[SAMPLE]
    (path / "certificate.json").write_text("other")
    assert survey(tmp_path / "models")[SAMPLE].files != before.files


def test_a_missing_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    write_sample(tmp_path / "models", 1)
    shutil.rmtree(tmp_path / "models")
    with pytest.raises(BundleError, match="no such folder"):
        survey(tmp_path / "models")


def test_a_model_whose_folder_cannot_be_read_does_not_count_as_removed(open_to_all: Path) -> None:
    write_sample(open_to_all, 1)
    write_sample(open_to_all, 1, "other")
    with closed(open_to_all / "sample"):
        found = survey(open_to_all)
    assert found.keys() == {ModelKey("other", 1), ModelKey.of_unreadable("sample")}
    assert found[ModelKey.of_unreadable("sample")].manifest == "unreadable: sample: cannot be read (Permission denied)"


def test_a_model_whose_versions_cannot_be_looked_into_has_them(open_to_all: Path) -> None:
    path = write_sample(open_to_all, 1).parent
    with closed(path, 0o444):
        assert survey(open_to_all).keys() == {SAMPLE}


def test_what_is_no_file_is_a_version_that_cannot_be_used(tmp_path: Path) -> None:
    manifest = write_sample(tmp_path, 1) / "manifest.json"
    manifest.unlink()
    os.mkfifo(manifest)
    stamp = survey(tmp_path)[SAMPLE]
    assert "a named pipe" in stamp.manifest
    assert survey(tmp_path)[SAMPLE] == stamp


def test_a_version_that_cannot_be_read_is_not_missing(open_to_all: Path) -> None:
    path = write_sample(open_to_all, 1)
    before = survey(open_to_all)
    with closed(path):
        assert survey(open_to_all).keys() == before.keys()
    assert survey(open_to_all) == before
