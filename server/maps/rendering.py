"""Options for drawing a map."""

import math
from dataclasses import dataclass, replace
from typing import Literal

from vitscope.server.errors import InvalidRequest

Kind = Literal["overlay", "heat_map"]
ColourMap = Literal["viridis", "inferno", "cividis", "grey", "blue_orange"]
PictureFormat = Literal["png", "jpeg"]
Upsampling = Literal["bilinear", "nearest"]

MIN_SIDE, MAX_SIDE = 32, 2048
DEFAULT_MIN_SIDE, DEFAULT_MAX_SIDE = 224, 1024
# Pixels of all pictures of one reply: 4 of 2048x2048, 16 of 1024x1024, or 144 of 320x320 (12 layers x 12 heads).
MAX_PICTURE_PIXELS = 2**24


@dataclass(frozen=True, slots=True)
class RenderingSpec:
    """How each map is drawn.

    color_map: None for the method's own: viridis, or for evidence blue_orange, which is white at zero. opacity: weight
    of the heat map in an overlay, 0 < opacity <= 1. size: longer side in pixels, 32..2048; None for the photo's own,
    but at least 224 and at most 1024. max_pixels: limit of each picture, which keeps all pictures of a reply within
    MAX_PICTURE_PIXELS. Raises InvalidRequest for a value out of range.
    """

    kind: Kind = "overlay"
    color_map: ColourMap | None = None
    opacity: float = 0.5
    size: int | None = None
    format: PictureFormat = "png"
    upsampling: Upsampling = "bilinear"
    max_pixels: int = MAX_PICTURE_PIXELS

    def __post_init__(self) -> None:
        if not 0 < self.opacity <= 1:
            raise InvalidRequest("opacity", f"{self.opacity:g}", "above 0 and up to 1")
        if self.size is not None and not MIN_SIDE <= self.size <= MAX_SIDE:
            raise InvalidRequest("size", str(self.size), f"{MIN_SIDE} to {MAX_SIDE}, or none for the photo's own size")

    def shared_by(self, count: int) -> "RenderingSpec":
        """Return the options for each of `count` pictures of a reply.

        Raises InvalidRequest if they are too large in all. Without a `size`, that is checked once the size of the photo
        is known (render.py).
        """
        shared = replace(self, max_pixels=MAX_PICTURE_PIXELS // count)
        if self.size:
            shared.check((self.size, self.size))
        return shared

    def check(self, size: tuple[int, int]) -> None:
        """Raise InvalidRequest if a picture of `size` (width, height) exceeds max_pixels."""
        if size[0] * size[1] <= self.max_pixels:
            return
        count, largest = MAX_PICTURE_PIXELS // self.max_pixels, math.isqrt(self.max_pixels)
        hint = f", which is size {largest} for {count} pictures" if largest >= MIN_SIDE else ""
        raise InvalidRequest(
            "size",
            f"{count} pictures of up to {size[0]}x{size[1]} pixels",
            f"at most {MAX_PICTURE_PIXELS:,} pixels in all{hint}",
        )
