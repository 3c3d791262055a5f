"""Finding, checking and reading images."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitscope.export.certificate.images import APART, MOST, RANGES, check_images, find_images, read_image
from vitscope.export.errors import ExportError


def write(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (2, 2), (index % 256, 0, 0)).save(folder / f"{index:04}.png")
    return folder


def test_folders_are_searched_recursively_for_images(photos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "photos")
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_bytes(b"x")
    found = find_images(folder, tmp_path)
    assert found.found == len(found.files) == 24
    assert found.sha256 == find_images(photos, tmp_path).sha256


def test_at_most_256_spread_over_the_folders(tmp_path: Path) -> None:
    write(tmp_path / "all" / "a", 300)
    write(tmp_path / "all" / "b", 300)
    found = find_images(tmp_path / "all", tmp_path)
    assert (len(found.files), found.found) == (MOST, 600)
    assert sum(path.parent.name == "a" for path in found.files) == MOST / 2


@pytest.mark.parametrize(
    ("count", "measured", "ranges"), [(8, 8, 8), (APART - 1, 127, 127), (APART, 64, 64), (600, MOST, RANGES)]
)
def test_variants_have_their_ranges_from_other_images_where_there_are_enough(
    count: int, measured: int, ranges: int, tmp_path: Path
) -> None:
    found = find_images(write(tmp_path / "all", count), tmp_path, ("int8",))
    assert (len(found.files), len(found.ranges), found.found) == (measured, ranges, count)
    assert found.apart == (count >= APART)
    assert found.apart == (len({*found.files, *found.ranges}) == measured + ranges)


def test_the_checkpoints_own_samples(tmp_path: Path) -> None:
    write(tmp_path / "samples", 8)
    assert find_images(None, tmp_path).folder == tmp_path / "samples"


def test_missing_images_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"--calibration.*--no-certificate"):
        find_images(None, tmp_path)
    with pytest.raises(ExportError, match="no such folder"):
        find_images(tmp_path / "missing", tmp_path)
    (tmp_path / "file.png").touch()
    with pytest.raises(ExportError, match=r"file\.png: a file; accepted: a folder"):
        find_images(tmp_path / "file.png", tmp_path)
    with pytest.raises(ExportError, match="7 images; at least 8"):
        find_images(write(tmp_path / "few", 7), tmp_path)


def test_upright_and_rgb(photos: Path) -> None:
    turned = photos / "source1" / "0.jpg"
    with Image.open(turned) as stored:
        assert read_image(turned).size == stored.size[::-1]
    grey = np.asarray(read_image(photos / "source0" / "0.jpg"))
    assert grey.shape[2] == 3 and (grey[..., 0] == grey[..., 2]).all()


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
def test_an_unreadable_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ExportError, match=r"broken\.png is not a readable image"):
        read_image(tmp_path / "broken.png")


def test_all_broken_files_are_reported_at_once(photos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "photos")
    check_images(find_images(folder, folder).files)
    files = find_images(folder, folder).files
    for path in files[:7]:
        os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(ExportError, match=r"7 of 24 images cannot be read: .* and 2 more") as caught:
        check_images(files)
    assert sum(str(path) in str(caught.value) for path in files) == 5
