"""The caller's photo, upright as the server saw it."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vitscope.client.errors import InvalidImage
from vitscope.client.request import ImageLike

_SIDE = 2048  # pixels of the longer side that are kept: more than any picture shows


def read_photo(image: ImageLike, size: tuple[int, int] | None = None) -> Image.Image:
    """Return an image as RGB pixels, upright, at most 2048 pixels on its longer side.

    Transparency is dropped and deep grey reduced, as on the server. Raises InvalidImage for an image that cannot be
    read here, and for one of another shape than `size` (width, height), that of the image which was classified.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = _opened(image)
            upright = ImageOps.exif_transpose(opened)
            found = _rgb(upright)
    except InvalidImage:
        raise
    except Exception as error:  # of whichever library reads the format, or of the caller's own object
        raise InvalidImage(f"image: cannot be read here, to be drawn on: {type(error).__name__}: {error}") from error
    found.thumbnail((_SIDE, _SIDE), reducing_gap=3.0)
    if size is not None and not _same_shape(found.size, size):
        raise InvalidImage(
            f"image: {found.width}x{found.height} pixels; accepted: the image of this result, of {size[0]}x{size[1]}"
        )
    return found


def _opened(image: ImageLike) -> Image.Image:
    match image:
        case np.ndarray():
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
                raise TypeError(f"array of {image.dtype} {list(image.shape)}; accepted: uint8 [height, width, 3]")
            return Image.fromarray(image)
        case Image.Image():
            return image
        case str() | os.PathLike():
            opened: Image.Image = Image.open(Path(image))
        case _:
            opened = Image.open(io.BytesIO(bytes(image)))
    # A JPEG is decoded at a fraction of its size where that is enough.
    opened.draft("RGB", (_SIDE, _SIDE))
    return opened


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) // 257).astype(np.uint8)).convert("RGB")
    copy = image.copy()
    copy.info.pop("transparency", None)
    return copy.convert("RGB")


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two sizes have the same aspect ratio, to less than a pixel of the smaller one."""
    return abs(size[1] * other[0] - size[0] * other[1]) < max(size[0], other[0]) or size == other
