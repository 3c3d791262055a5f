"""How large an image may be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageLimits:
    """Upper bounds on one image; all are checked before a pixel is decoded.

    max_bytes: size of the encoded file. max_pixels: width x height, of the image and of what it is resized to; a decoded
    pixel takes 4 bytes. max_frames: frames of an animation or pages of a TIFF, of which the first is used.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_frames: int = 1000
