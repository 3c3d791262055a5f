"""Opening a file: its format, size and frames are checked against the limits before a pixel is decoded."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import AvifImagePlugin, Image, ImageFile, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from vitscope.server.errors import InvalidRequest
from vitscope.server.images.formats import CHECKS, SHAPES
from vitscope.server.images.heic import register_heic
from vitscope.server.images.limits import ImageLimits, check_frames, check_pixels, check_scalable
from vitscope.server.images.signatures import FIELD, FORMATS, named, sniff

# ImageLimits are checked for each request. Pillow's own limit is one for the process, and warns before it raises.
Image.MAX_IMAGE_PIXELS = None
# Pillow's warnings about a caller's file (such as damaged EXIF) are not about this program. The filter is set once,
# since `catch_warnings` changes the whole process and decoding runs on several threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Pillow imports these for the first file that needs them. No request should wait for that.
_ = (TiffImagePlugin, WebPImagePlugin)
register_heic()
# As for all formats: each decode thread is planned as one processor.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

# For other formats, Pillow would read all frames to count them.
_FRAMES_IN_HEADER = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")
# Pillow's message about a TIFF holds only the number that its decoder returned.
_REASONS = {"decoder error -2": "damaged or truncated data"}


def open_image(data: bytes, limits: ImageLimits) -> ImageFile.ImageFile:
    """Read and check the header of a file, without decoding its pixels.

    One that can be decoded at a reduced size may have more pixels than `load` accepts.

    Raises InvalidRequest for a file that has none of the accepted formats, is damaged, or is over a limit.
    """
    if len(data) > limits.max_bytes:
        raise InvalidRequest(FIELD, f"{len(data):,} bytes", f"at most {limits.max_bytes:,} bytes")
    name = sniff(data)
    CHECKS[name](data, limits)
    with unreadable(name):
        image = Image.open(io.BytesIO(data), formats=(name,))
    (check_scalable if SHAPES[name](data).scalable else check_pixels)(FIELD, image.size, limits)
    if name in _FRAMES_IN_HEADER:
        check_frames(FIELD, getattr(image, "n_frames", 1), limits)
    return image


@contextmanager
def unreadable(name: str) -> Iterator[None]:
    """Turn any error of Pillow inside the context into an InvalidRequest about a file of the format `name`.

    Pillow's plugins let through errors of any class (struct.error, KeyError, AssertionError, ...), so no list of
    classes would be complete. Only MemoryError is passed on: files within the limits should fit into memory.
    """
    try:
        yield
    except UnidentifiedImageError as error:  # its text holds only a memory address
        raise InvalidRequest(FIELD, f"{named(name)} with a damaged or incomplete header", FORMATS) from error
    except MemoryError:
        raise
    except Exception as error:
        reason = _REASONS.get(str(error)) or str(error) or type(error).__name__
        raise InvalidRequest(FIELD, f"{named(name)} that cannot be decoded ({reason})", FORMATS) from error
