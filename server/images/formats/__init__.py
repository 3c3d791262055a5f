"""Checks of a file's structure before Pillow opens it.

Pillow reads the structure of a file in Python, holding the GIL, however many parts it has, and some of its plugins
allocate the size that a file declares when they open it. Each check therefore reads the same structure and stops at a
bound that no real file comes near. A damaged file passes as far as it can be read; Pillow reports the damage.
"""

from collections.abc import Callable, Mapping
from typing import Final

from vitscope.server.images.formats import bmp, gif, heif, jpeg, png, tiff, webp
from vitscope.server.images.formats.shape import Shape
from vitscope.server.images.limits import ImageLimits

# Pillow's name of a format -> its check, which raises InvalidRequest.
CHECKS: Final[Mapping[str, Callable[[bytes, ImageLimits], None]]] = {
    "AVIF": heif.check,
    "BMP": bmp.check,
    "GIF": gif.check,
    "HEIF": heif.check,
    "JPEG": jpeg.check,
    "PNG": png.check,
    "TIFF": tiff.check,
    "WEBP": webp.check,
}

# Pillow's name of a format -> what its header says of the work of decoding it, in microseconds.
SHAPES: Final[Mapping[str, Callable[[bytes], Shape]]] = {
    "AVIF": heif.shape,
    "BMP": bmp.shape,
    "GIF": gif.shape,
    "HEIF": heif.shape,
    "JPEG": jpeg.shape,
    "PNG": png.shape,
    "TIFF": tiff.shape,
    "WEBP": webp.shape,
}
