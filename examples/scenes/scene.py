"""One scene: a textured shape, which decides the class, plain shapes and a crop of a real photo behind them."""

from dataclasses import dataclass

import numpy as np
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_images

from examples.scenes.textures import SHAPES, TEXTURES, two_colours

SIDE = 112
LABELS = tuple(TEXTURES)
RADIUS = (22, 32)  # of shapes, in pixels
PLAIN = (1, 3)  # number of plain shapes
BORDER = 0.55  # of a photo's width: training scenes have what is left of it behind them, test scenes the rest


@dataclass(frozen=True)
class Scene:
    """image: uint8 [112, 112, 3]. mask: bool [112, 112], the pixels of the textured shape. label: index into LABELS."""

    image: np.ndarray
    mask: np.ndarray
    label: int


def photos() -> list[np.ndarray]:
    """Return the photos behind scenes, uint8 [H, W, 3]: of scikit-image and scikit-learn."""
    own = (skimage.data.astronaut, skimage.data.coffee, skimage.data.chelsea, skimage.data.rocket)
    return [*(load() for load in own), *load_sample_images().images]


def draw(random: np.random.Generator, photos: list[np.ndarray], split: str, label: int | None = None) -> Scene:
    """Draw one scene. split: "train" or "test", which have other parts of the photos behind them."""
    image = _background(random, photos[int(random.integers(len(photos)))], split)
    label = int(random.integers(len(LABELS))) if label is None else label
    for _ in range(int(random.integers(*PLAIN, endpoint=True))):
        image[_shape(random)] = two_colours(random)[0]
    mask = _shape(random)
    rows, cols = np.indices((SIDE, SIDE)) + random.integers(0, 24, 2)[:, None, None]
    second = TEXTURES[LABELS[label]](rows, cols)
    image[mask] = two_colours(random)[second[mask].astype(int)]
    return Scene(image, mask, label)


def _background(random: np.random.Generator, photo: np.ndarray, split: str) -> np.ndarray:
    """Cut a square out of the photo's part for this split, and resize it."""
    border = round(BORDER * photo.shape[1])
    part = photo[:, :border] if split == "train" else photo[:, border:]
    side = int(random.integers(SIDE, min(part.shape[:2]), endpoint=True))
    top, left = (int(random.integers(0, length - side, endpoint=True)) for length in part.shape[:2])
    crop = Image.fromarray(part[top : top + side, left : left + side])
    return np.array(crop.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _shape(random: np.random.Generator) -> np.ndarray:
    """Return the pixels of a random shape that lies in the image as a whole, bool [112, 112]."""
    radius = int(random.integers(*RADIUS, endpoint=True))
    middle = random.integers(radius, SIDE - radius, 2)
    rows, cols = np.indices((SIDE, SIDE)) - middle[:, None, None]
    names = list(SHAPES)
    return SHAPES[names[int(random.integers(len(names)))]](rows, cols, radius)
