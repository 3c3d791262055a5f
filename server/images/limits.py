"""Limits on the size of an image, and how exactly its pixels follow the checkpoint's own processor."""

from dataclasses import dataclass
from typing import Literal

from vitscope.server.errors import InvalidRequest

# exact: every pixel equals Pillow's. scaled: JPEG photos much larger than the model's input are decoded at a half, a
# quarter or an eighth of their size, and pixels are resized with SIMD: within 1 grey level of Pillow on average.
Decoding = Literal["scaled", "exact"]


@dataclass(frozen=True)
class ImageLimits:
    """Upper bounds on one image, all checked before a pixel is decoded, and the way it is decoded.

    max_bytes: size of the encoded file. max_pixels: width x height, of the image and of the resized image; a decoded
    pixel takes 4 bytes. max_frames: frames of an animation or pages of a TIFF, of which the first is used. max_scans:
    scans of a JPEG, each of which passes over all pixels; a progressive one has about 10.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_frames: int = 1000
    max_scans: int = 100
    decoding: Decoding = "scaled"


def check_pixels(field: str, size: tuple[int, int], limits: ImageLimits) -> None:
    """Raise InvalidRequest when `size` (width, height) has more pixels than the limit."""
    if size[0] * size[1] > limits.max_pixels:
        raise InvalidRequest(field, f"{size[0]}x{size[1]} pixels", f"at most {limits.max_pixels:,} pixels")


def check_frames(field: str, frames: int, limits: ImageLimits) -> None:
    """Raise InvalidRequest when there are more frames than the limit."""
    if frames > limits.max_frames:
        raise InvalidRequest(field, f"more than {limits.max_frames:,} frames", f"at most {limits.max_frames:,}")
