"""Opening an image: format, size and frames are known and within limits before a pixel is decoded."""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from server.errors import InvalidRequest
from server.images.frames import count_frames
from server.images.limits import ImageLimits
from server.images.signatures import FIELD, FORMATS, sniff

# ImageLimits decides, for each request. Pillow's own limit is one for the process, and a warning before it is an error.
Image.MAX_IMAGE_PIXELS = None
# What Pillow finds odd in a caller's file (damaged EXIF, say) is no warning about this program. Filters cannot be set for
# a call: `catch_warnings` changes the process, and decoding runs in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Pillow imports these two on the first file that needs them; a request should not wait for that.
_ = (TiffImagePlugin, WebPImagePlugin)


def open_image(data: bytes, limits: ImageLimits) -> ImageFile.ImageFile:
    """A file whose header is read and checked, and whose pixels are not decoded.

    Raises InvalidRequest for anything that is not one of the accepted formats, is damaged, or is over a limit.
    """
    if len(data) > limits.max_bytes:
        raise InvalidRequest(FIELD, f"{len(data):,} bytes", f"at most {limits.max_bytes:,} bytes")
    name = sniff(data)
    if name == "WEBP":
        check_pixels(FIELD, _webp_canvas(data), limits)  # Pillow allocates the canvas when it opens the file
    with unreadable(name):
        image = Image.open(io.BytesIO(data), formats=(name,))
    check_pixels(FIELD, image.size, limits)
    if count_frames(data, image, limits.max_frames + 1) > limits.max_frames:
        raise InvalidRequest(FIELD, f"more than {limits.max_frames:,} frames", f"at most {limits.max_frames:,}")
    return image


def check_pixels(field: str, size: tuple[int, int], limits: ImageLimits) -> None:
    """Raises InvalidRequest when `size` (width, height) has more pixels than the limit."""
    if size[0] * size[1] > limits.max_pixels:
        raise InvalidRequest(field, f"{size[0]}x{size[1]} pixels", f"at most {limits.max_pixels:,} pixels")


@contextmanager
def unreadable(name: str) -> Iterator[None]:
    """Anything that Pillow raises inside is the fault of the bytes: its plugins let through whatever error they meet
    (struct.error, KeyError, AssertionError, ...), so no list of exception classes would be complete."""
    try:
        yield
    except UnidentifiedImageError as error:  # its text holds nothing but an address in memory
        raise InvalidRequest(FIELD, f"a {name} file with a damaged or incomplete header", FORMATS) from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InvalidRequest(FIELD, f"a {name} file that cannot be decoded ({reason})", FORMATS) from error


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk (RFC 9649); (0, 0) where it is cut off or unknown, which Pillow refuses."""
    chunk, body = data[12:16], data[20:30]
    if len(body) == 10:
        if chunk == b"VP8X":
            return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
        if chunk == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if chunk == b"VP8 ":
            width, height = struct.unpack("<HH", body[6:10])
            return width & 0x3FFF, height & 0x3FFF
    return 0, 0
