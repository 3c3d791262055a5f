"""Pillow's antialiased resize with SIMD: the same filters, six times as fast."""

from typing import Final

import numpy as np
from PIL import Image

try:
    from cykooz_resizer import CropBox, FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
except ImportError:  # no wheel for this platform; Pillow does the same, but slower
    SIMD = False
else:
    SIMD = True

# Above this, callers use Pillow's own resize: the SIMD one copies the pixels while it holds the GIL, which takes some
# milliseconds for this many.
MAX_PIXELS: Final = 2**22

FILTERS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# Pillow's bicubic is Keys' cubic with a = -0.5, which is the Catmull-Rom spline.
_SIMD_FILTERS: Final = {"bilinear": "bilinear", "bicubic": "catmull_rom", "lanczos": "lanczos3"}


def resample(
    rgb: bytes, size: tuple[int, int], extent: tuple[float, float], to: tuple[int, int], interpolation: str
) -> np.ndarray:
    """Resize RGB bytes of `size` (width, height) to the size `to`.

    extent: (width, height) of the part that the image covers, from the top left. interpolation: any of FILTERS but
    nearest. Returns uint8 [height, width, 3], C-contiguous, read-only.

    On photos nearly every value is within 1 grey level of Pillow's. On noise of full contrast cubic and Lanczos filters
    differ by more: they overshoot, Pillow clips between its two passes, and this library runs them in the other order.
    """
    if not SIMD:
        image = Image.frombuffer("RGB", size, rgb, "raw", "RGB", 0, 1)
        return np.asarray(image.resize(to, FILTERS[interpolation], box=(0, 0, *extent)))
    options = ResizeOptions(
        resize_alg=ResizeAlg.convolution(FilterType[_SIMD_FILTERS[interpolation]]),
        crop_box=CropBox(0, 0, *map(float, extent)),
    )
    resized = ImageData(*to, PixelType.U8x3)
    # A Resizer is not thread-safe, and costs nothing to create.
    Resizer().resize(ImageData(*size, PixelType.U8x3, rgb), resized, options)
    return np.frombuffer(resized.get_buffer(), np.uint8).reshape(to[1], to[0], 3)
