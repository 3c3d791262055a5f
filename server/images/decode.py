"""From an opened file to upright 8-bit RGB pixels."""

import numpy as np
from PIL import ExifTags, Image, ImageFile

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats.exif import MAX_BYTES, is_heavy
from vitscope.server.images.header import open_image, unreadable
from vitscope.server.images.limits import ImageLimits, check_pixels
from vitscope.server.images.signatures import FIELD

# EXIF 2.32, tag 0x0112: the transposition that turns each stored orientation upright; 1 needs none.
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
    """Open and `load` a file. Raises InvalidRequest as `open_image` and `load` do."""
    return load(open_image(data, limits), limits)


def load(image: ImageFile.ImageFile, limits: ImageLimits, orientation: int | None = None) -> tuple[Image.Image, int]:
    """Return the first frame as an upright RGB image, and the EXIF orientation (1..8) that was applied.

    To be called once, and before anything that may load pixels by itself, as Pillow's `getexif` does: Pillow gives the
    rest of a damaged file in black, without an error, to whoever asks again after the error. `orientation` is what
    `read_orientation` has found, where it was called before.

    Colours are those of Pillow's convert("RGB"), as in training pipelines: alpha is dropped, not blended, and CMYK is
    converted without a profile. The exception is 16-bit grey, which Pillow clips to white: 0..65535 becomes 0..255
    here. Broken EXIF counts as none.

    Raises InvalidRequest for a damaged or truncated file, for more pixels than the limit, and for 32-bit integer or
    float pixels.
    """
    name = image.format or ""
    check_pixels(FIELD, image.size, limits)
    if image.mode in ("I", "F"):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed integer"
        raise InvalidRequest(FIELD, f"{kind} pixels, which have no agreed white level", "8-bit pixels or 16-bit grey")
    # Pillow turns a TIFF upright when it loads it, and then drops the tag. A HEIC photo is turned by properties of its
    # own, beside which its EXIF does not count. A PNG may have its EXIF after its pixels.
    applied = read_orientation(image) if name == "TIFF" else 1 if name == "HEIF" else None
    with unreadable(name):
        image.load()
        rgb = _to_rgb(image)
    if applied is not None:
        return rgb, applied
    if orientation is None:
        orientation = read_orientation(image)
    return rgb.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else rgb, orientation


def read_orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none that can be read.

    Before the pixels only of a JPEG: a PNG is loaded for it, and an error in that would be taken for one in the EXIF.
    To be called once: Pillow raises an error about damaged EXIF only the first time, and then gives a part.
    """
    if is_heavy(image.info.get("exif") or b"") or len(image.info.get("Raw profile type exif", "")) > 2 * MAX_BYTES:
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # any class of error, as in `unreadable`
        return 1
    return next((known for known in range(1, 9) if known == value), 1)


def swap_sideways(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Convert a stored (width, height) to the upright one, or back."""
    return (size[1], size[0]) if orientation >= 5 else size


def _to_rgb(image: ImageFile.ImageFile) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bit(np.asarray(image))).convert("RGB")
    image.info.pop("transparency", None)  # convert() would translate it, which is not needed
    return image.convert("RGB")


def _to_8_bit(grey: np.ndarray) -> np.ndarray:
    """Compute round(v / 257) for uint16 v, in integers and in place."""
    wide = grey.astype(np.uint32)
    wide *= 255
    wide += 32895
    wide >>= 16
    return wide.astype(np.uint8)
