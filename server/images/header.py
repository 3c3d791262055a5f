"""Opening an image: format, size and frames are known and within limits before a pixel is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats import CHECKS
from vitscope.server.images.limits import ImageLimits, check_frames, check_pixels
from vitscope.server.images.signatures import FIELD, FORMATS, sniff

# ImageLimits decides, for each request. Pillow's own limit is one for the process, and a warning before it is an error.
Image.MAX_IMAGE_PIXELS = None
# What Pillow finds odd in a caller's file (damaged EXIF, say) is no warning about this program. Filters cannot be set for
# a call: `catch_warnings` changes the process, and decoding runs in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Pillow imports these two on the first file that needs them; a request should not wait for that.
_ = (TiffImagePlugin, WebPImagePlugin)

# To count the frames of the others Pillow would walk through all of them.
_FRAMES_IN_HEADER = ("JPEG", "PNG", "WEBP")
# What Pillow says of a TIFF, by the number that its decoder returned.
_REASONS = {"decoder error -2": "damaged or truncated data"}


def open_image(data: bytes, limits: ImageLimits) -> ImageFile.ImageFile:
    """A file whose header is read and checked, and whose pixels are not decoded.

    Raises InvalidRequest for anything that is not one of the accepted formats, is damaged, or is over a limit.
    """
    if len(data) > limits.max_bytes:
        raise InvalidRequest(FIELD, f"{len(data):,} bytes", f"at most {limits.max_bytes:,} bytes")
    name = sniff(data)
    CHECKS[name](data, limits)
    with unreadable(name):
        image = Image.open(io.BytesIO(data), formats=(name,))
    check_pixels(FIELD, image.size, limits)
    if name in _FRAMES_IN_HEADER:
        check_frames(FIELD, getattr(image, "n_frames", 1), limits)
    return image


@contextmanager
def unreadable(name: str) -> Iterator[None]:
    """Anything that Pillow raises inside is the fault of the bytes: its plugins let through whatever error they meet
    (struct.error, KeyError, AssertionError, ...), so no list of exception classes would be complete. Only a lack of memory
    is not: the limits are what bounds a file."""
    try:
        yield
    except UnidentifiedImageError as error:  # its text holds nothing but an address in memory
        raise InvalidRequest(FIELD, f"a {name} file with a damaged or incomplete header", FORMATS) from error
    except MemoryError:
        raise
    except Exception as error:
        reason = _REASONS.get(str(error)) or str(error) or type(error).__name__
        raise InvalidRequest(FIELD, f"a {name} file that cannot be decoded ({reason})", FORMATS) from error
