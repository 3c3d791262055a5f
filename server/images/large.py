"""JPEG photos of more pixels than may be held decoded, such as the 108 and 200 megapixels of phones."""

import math
from dataclasses import dataclass

from PIL import Image, ImageFile

from vitscope.server.images.header import unreadable
from vitscope.server.images.limits import ImageLimits, check_pixels
from vitscope.server.images.scaled import scale_factor
from vitscope.server.images.signatures import FIELD


@dataclass(frozen=True, eq=False)
class Large:
    """A large photo at a reduced size: RGB, not turned upright.

    extent: (width, height) of the part of `image` that the photo covers, as in `Scaled`.
    """

    image: Image.Image
    extent: tuple[float, float]


def is_large(opened: ImageFile.ImageFile, limits: ImageLimits) -> bool:
    """Return whether a file has more pixels than may be held, and a mode that can be decoded at a reduced size."""
    return opened.width * opened.height > limits.max_pixels and opened.mode in ("RGB", "L")


def decode_large(opened: ImageFile.ImageFile, to: tuple[int, int], photo_side: int, limits: ImageLimits) -> Large:
    """Decode a file at the smallest size that may be resized to `to`, with a longer side of `photo_side` if that fits.

    Pillow decodes line by line into the reduced picture, so that no more is ever held.

    Raises InvalidRequest for a damaged file, and where even the reduced picture has too many pixels.
    """
    factor = scale_factor(opened.size, to)
    while (
        factor > 1
        and max(opened.size) // factor < photo_side
        and math.prod(_reduced(opened.size, factor // 2)) <= limits.max_pixels
    ):
        factor //= 2
    check_pixels(FIELD, _reduced(opened.size, factor), limits)
    extent = (opened.width / factor, opened.height / factor)
    with unreadable(opened.format or ""):
        opened.draft(opened.mode, (opened.width // factor, opened.height // factor))
        opened.load()
        return Large(opened.convert("RGB"), extent)


def _reduced(size: tuple[int, int], factor: int) -> tuple[int, int]:
    return -(-size[0] // factor), -(-size[1] // factor)
