"""What the structure of a file announces, checked before Pillow opens it.

Pillow walks through the structure of a file in Python and under the interpreter's lock, however many parts it has, and some
of its plugins allocate what a file announces as they open it. So each check walks the same way, and stops at a bound that
no honest file comes near. A damaged file passes as far as it can be read: Pillow finds the damage.
"""

from collections.abc import Callable, Mapping
from typing import Final

from vitscope.server.images.formats import bmp, gif, jpeg, png, tiff, webp
from vitscope.server.images.limits import ImageLimits

# Pillow's name of a format -> its check, which raises InvalidRequest.
CHECKS: Final[Mapping[str, Callable[[bytes, ImageLimits], None]]] = {
    "BMP": bmp.check,
    "GIF": gif.check,
    "JPEG": jpeg.check,
    "PNG": png.check,
    "TIFF": tiff.check,
    "WEBP": webp.check,
}
