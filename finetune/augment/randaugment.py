"""RandAugment (Cubuk et al., arXiv:1909.13719): some operations drawn by chance, all with one magnitude."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

OPERATIONS = 2
MOST = 10.0


def randaugment(image: Image.Image, magnitude: float, random: np.random.Generator) -> Image.Image:
    """Return an RGB image of the same size after two operations. magnitude: 0 (next to nothing) to 10."""
    share = magnitude / MOST
    for index in random.integers(0, len(_ALL), OPERATIONS):
        signed = share if random.random() < 0.5 else -share
        image = _ALL[index](image, signed)
    return image


# Each takes -1..1, of which some use the size alone.
_Operation = Callable[[Image.Image, float], Image.Image]


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """Move pixels by a matrix that leaves the middle where it is; what comes in from outside is grey."""
    a, b, c, d, e, f = matrix
    x, y = (image.width - 1) / 2, (image.height - 1) / 2
    centred = (a, b, c + x - a * x - b * y, d, e, f + y - d * x - e * y)
    return image.transform(
        image.size, Image.Transform.AFFINE, centred, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128)
    )


def _rotate(image: Image.Image, size: float) -> Image.Image:
    return image.rotate(30 * size, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128))


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> _Operation:
    return lambda image, size: kind(image).enhance(1 + 0.9 * size)


_ALL: tuple[_Operation, ...] = (
    lambda image, _: image,
    lambda image, _: ImageOps.autocontrast(image),
    lambda image, _: ImageOps.equalize(image),
    lambda image, size: ImageOps.solarize(image, round(256 - 128 * abs(size))),
    lambda image, size: ImageOps.posterize(image, 8 - round(4 * abs(size))),
    _enhance(ImageEnhance.Color),
    _enhance(ImageEnhance.Contrast),
    _enhance(ImageEnhance.Brightness),
    _enhance(ImageEnhance.Sharpness),
    _rotate,
    lambda image, size: _affine(image, (1, 0.3 * size, 0, 0, 1, 0)),
    lambda image, size: _affine(image, (1, 0, 0, 0.3 * size, 1, 0)),
    lambda image, size: _affine(image, (1, 0, 0.3 * size * image.width, 0, 1, 0)),
    lambda image, size: _affine(image, (1, 0, 0, 0, 1, 0.3 * size * image.height)),
)
