"""Images as the server prepares them, for the certificate."""

from pathlib import Path

import numpy as np
import pytest

from tests.server.images.samples import DINOV2, TOKENS, encoded, photos
from vitscope.server.images.resample import SIMD
from vitscope.server.tools.pixels import Pixels, measure

PIXELS = Pixels(DINOV2, TOKENS)


def written(folder: Path, sizes: list[tuple[int, int]]) -> list[Path]:
    files = []
    for number, size in enumerate(sizes):
        files.append(folder / f"{number}.jpg")
        files[-1].write_bytes(encoded(photos()["coffee.png"].resize(size), "JPEG", quality=90))
    return files


def test_large_images_are_measured_as_they_are(tmp_path: Path) -> None:
    files = written(tmp_path, [(400 + 40 * n, 300 + 40 * n) for n in range(8)])
    found = measure(PIXELS, files)
    assert found["own"].tolist() == list(range(8)) and found["enlarged"] == 0 and found["simd"] == SIMD
    assert found["exact"].shape == found["long"].shape == found["short"].shape == (8, 224, 224, 3)
    assert np.array_equal(found["exact"], found["long"])
    assert 0 < np.abs(found["short"].astype(int) - found["long"]).mean() < 1


def test_small_images_are_measured_as_enlarged_copies_too(tmp_path: Path) -> None:
    found = measure(PIXELS, written(tmp_path, [(100, 80)] * 5 + [(500, 400)]))
    assert found["enlarged"] == 6 and len(found["short"]) == 7 and len(found["exact"]) == 6
    for short, long in zip(found["short"], found["long"], strict=True):
        assert not np.array_equal(short, long), "a shortcut that was not taken proves nothing"


def test_files_that_the_server_refuses_are_left_out(tmp_path: Path) -> None:
    files = written(tmp_path, [(100, 80)] * 3)
    files[1].write_bytes(b"no image")
    assert measure(PIXELS, files)["own"].tolist() == [0, 2]
    files[0].write_bytes(b"no image")
    files[2].write_bytes(b"no image")
    found = measure(PIXELS, files)
    assert found["own"].size == 0 and found["exact"].shape == found["short"].shape == (0, 224, 224, 3)


@pytest.mark.parametrize("size", [(70, 9000), (9000, 70)])
def test_thin_images(tmp_path: Path, size: tuple[int, int]) -> None:
    assert len(measure(PIXELS, written(tmp_path, [size]))["own"]) == 1
