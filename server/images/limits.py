"""Limits on the size of an image, and how exactly its pixels follow the checkpoint's own processor."""

from dataclasses import dataclass
from typing import Final, Literal

from vitscope.server.errors import InvalidRequest

# exact: every pixel equals Pillow's. scaled: JPEG photos much larger than the model's input are decoded at a half, a
# quarter or an eighth of their size, and pixels are resized with SIMD: within 1 grey level of Pillow on average.
Decoding = Literal["scaled", "exact"]


# A JPEG that is decoded at a reduced size may have so many times more pixels: 250 megapixels by default, which admits
# the 108 and 200 of phones.
_SCALED: Final = 5
# Rows and columns. A JPEG cannot have more; each row takes time and memory of its own, however short it is.
MAX_SIDE: Final = 65_535


@dataclass(frozen=True)
class ImageLimits:
    """Upper bounds on one image, all checked before a pixel is decoded, and the way it is decoded.

    max_bytes: size of the encoded file. max_pixels: width x height of what is held decoded, and of the resized image; a
    decoded pixel takes 4 bytes. max_frames: frames of an animation or pages of a TIFF, of which the first is used.
    max_scans: scans of a JPEG, each of which passes over all pixels; a progressive one has about 10.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_frames: int = 1000
    max_scans: int = 100
    decoding: Decoding = "scaled"

    @property
    def max_pixels_scaled(self) -> int:
        """Return the most pixels of a file that can be decoded at a reduced size, none of which holds them all."""
        return self.max_pixels * _SCALED if self.decoding == "scaled" else self.max_pixels


def check_pixels(field: str, size: tuple[int, int], limits: ImageLimits) -> None:
    """Raise InvalidRequest when `size` (width, height) has more pixels than the limit, or a side more than MAX_SIDE."""
    _check_size(field, size, limits.max_pixels)


def check_scalable(field: str, size: tuple[int, int], limits: ImageLimits) -> None:
    """Raise InvalidRequest for too many pixels of a file that may be decoded at a reduced size."""
    _check_size(field, size, limits.max_pixels_scaled)


def _check_size(field: str, size: tuple[int, int], most: int) -> None:
    if size[0] * size[1] > most:
        raise InvalidRequest(field, f"{size[0]}x{size[1]} pixels", f"at most {most:,} pixels")
    if max(size) > MAX_SIDE:
        raise InvalidRequest(field, f"{size[0]}x{size[1]} pixels", f"at most {MAX_SIDE:,} pixels a side")


def check_frames(field: str, frames: int, limits: ImageLimits) -> None:
    """Raise InvalidRequest when there are more frames than the limit."""
    if frames > limits.max_frames:
        raise InvalidRequest(field, f"more than {limits.max_frames:,} frames", f"at most {limits.max_frames:,}")
