"""JPEG photos decoded at 1/2, 1/4 or 1/8 of their size by libjpeg, which omits coefficients of the inverse DCT."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import simplejpeg
from PIL import ImageFile

from vitscope.server.images.resample import MAX_PIXELS

# A scaled photo must be at least this many times the size that it is then resized to, in both axes, so that the resize
# filter hides the effect of scaling. The mean difference to Pillow's resize of all pixels, over photos resized to 224,
# is 1.9 grey levels at 1.0, 0.7 at 1.5, 0.4 at 2.0 and 0.1 at 3.3. Of 3,000 test images the bundled example gives
# another class to 10 at 1.6, to 3 at 2.5 and to none at 3.2.
HEADROOM: Final = 3.0
# Pillow's names of the formats that can be decoded at a reduced size: JPEG, also of several pictures.
SCALABLE: Final = ("JPEG", "MPO")
# The factors for which libjpeg-turbo has SIMD code, besides 1. It supports all multiples of 1/8.
_FACTORS: Final = (8, 4, 2)


@dataclass(frozen=True, eq=False)
class Scaled:
    """A photo decoded at a reduced size.

    pixels: uint8 [H, W, 3] RGB as stored, not turned upright. extent: (width, height) of the part of `pixels` that the
    image covers; less than W and H, by less than 1, if the factor does not divide the image's size.
    """

    pixels: np.ndarray
    extent: tuple[float, float]


def decode_scaled(
    data: bytes, image: ImageFile.ImageFile, to: tuple[int, int], most: int = MAX_PIXELS
) -> Scaled | None:
    """Decode the JPEG file `data` at the smallest size that may still be resized to `to` (width, height).

    image: the same file, opened. most: pixels that may be held. Returns None for files that Pillow has to decode: other
    formats, CMYK, images that stay too large, and files in which the decoder found an error. Pillow may still accept
    those, or explains the error.
    """
    if image.format not in SCALABLE or image.mode not in ("RGB", "L"):
        return None
    factor = scale_factor(image.size, to)
    width, height = (-(-side // factor) for side in image.size)
    if width * height > min(most, MAX_PIXELS):
        return None
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_width=width, min_height=height)
    except ValueError:
        return None
    if pixels.shape != (height, width, 3):  # a lossless JPEG has no DCT, and two headers may disagree
        return None
    return Scaled(pixels, (image.width / factor, image.height / factor))


def scale_factor(size: tuple[int, int], to: tuple[int, int]) -> int:
    """Return the largest factor (8, 4, 2 or 1) by which `size` may be reduced before it is resized to `to`."""
    for factor in _FACTORS:
        if all(side >= target * HEADROOM * factor for side, target in zip(size, to, strict=True)):
            return factor
    return 1
