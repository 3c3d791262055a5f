"""Small training sets, drawn from Fashion-MNIST."""

from pathlib import Path

import numpy as np
from PIL import Image

from examples.fashion.prepare import LABELS, read_split

MOST = 100  # images per class to train on
VALIDATION = 10  # and at most so many to validate on
TEST = 1000


def draw(seed: int, count: int, test: int = TEST) -> dict[str, np.ndarray]:
    """Return the numbers of the images of a draw: `train` and `val` of the training images, `test` of the test images.

    `train` has `count` of each class, and a larger draw of the same seed has them too; `val` as many, at most 10; none
    is in both. `test` is the first images of the test split, whatever the seed.
    """
    random = np.random.default_rng(seed)
    _, labels = read_split("train")
    orders = [random.permutation(np.flatnonzero(labels == label)) for label in range(len(LABELS))]
    return {
        "train": np.concatenate([order[:count] for order in orders]),
        "val": np.concatenate([order[MOST : MOST + min(count, VALIDATION)] for order in orders]),
        "test": np.arange(test),
    }


def write(out: Path, seed: int, count: int) -> None:
    """Write a draw as `out`/<split>/<label>/<number>.png, 28x28."""
    for split, numbers in draw(seed, count).items():
        images, labels = read_split("t10k" if split == "test" else "train")
        for number in numbers:
            folder = out / split / LABELS[labels[number]]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[number]).save(folder / f"{number:05}.png")
