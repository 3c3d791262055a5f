"""An opened file -> upright 8-bit RGB pixels."""

import numpy as np
from PIL import ExifTags, Image, ImageFile

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.header import open_image, unreadable
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.signatures import FIELD

# EXIF 2.32, tag 0x0112: what brings each stored orientation upright; none is needed for 1.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(data: bytes, limits: ImageLimits) -> tuple[Image.Image, int]:
    """`load` of the file that `data` holds. Raises InvalidRequest for a file that is refused, too."""
    return load(open_image(data, limits))


def load(image: ImageFile.ImageFile) -> tuple[Image.Image, int]:
    """The first frame as an upright RGB image, and the EXIF orientation that was found (1..8) and applied.

    Colours are what Pillow's convert("RGB") makes of them, as training pipelines do: alpha is dropped, not blended, and
    CMYK is converted without a profile. The exception is 16-bit grey, which Pillow clips to white; here 0..65535 becomes
    0..255. Broken EXIF counts as none.
    Raises InvalidRequest for a file that is damaged or cut off, and for 32-bit integer or float pixels.
    """
    name = image.format or ""
    if image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed integer"
        raise InvalidRequest(FIELD, f"{kind} pixels, which have no agreed white level", "8-bit pixels or 16-bit grey")
    # Pillow turns a TIFF upright as it loads it and then forgets the tag; a PNG may have its EXIF after its pixels.
    applied = read_orientation(image) if name == "TIFF" else None
    with unreadable(name):
        image.load()
        rgb = _to_rgb(image)
    if applied is not None:
        return rgb, applied
    orientation = read_orientation(image)
    return rgb.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else rgb, orientation


def read_orientation(image: ImageFile.ImageFile) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none that can be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # as open a set as in `unreadable`
        return 1
    return next((known for known in range(1, 9) if known == value), 1)


def swap_sideways(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Stored width and height to upright ones, or back."""
    return (size[1], size[0]) if orientation >= 5 else size


def _to_rgb(image: ImageFile.ImageFile) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    image.info.pop("transparency", None)  # converting would translate it, for nothing
    return image.convert("RGB")


def _to_8_bit(grey: np.ndarray) -> np.ndarray:
    """round(v / 257) for uint16 v, in integers and in place."""
    wide = grey.astype(np.uint32)
    wide *= 255
    wide += 32895
    wide >>= 16
    return wide.astype(np.uint8)
