"""Resize and centre crop, as the checkpoint's own processor does them."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitscope.bundle import InputContract
from vitscope.server.images.resample import FILTERS


@dataclass(frozen=True)
class Fit:
    """How one image becomes the model's input: resized to width x height, then cropped at (left, top). In pixels."""

    width: int
    height: int
    left: int
    top: int


def plan_fit(size: tuple[int, int], contract: InputContract) -> Fit:
    """The numbers that fit an image of `size` (width, height) to the contract.

    They are rounded as the Pillow processors of transformers round them: the longer side of shortest_edge and the offsets
    of the crop go down.
    """
    resize = contract.resize
    if resize.edge is not None:
        shorter = min(size)
        width, height = (resize.edge * side // shorter for side in size)
    else:
        assert resize.width is not None and resize.height is not None  # the contract's validator has seen to it
        width, height = resize.width, resize.height
    return Fit(width, height, (width - contract.width) // 2, (height - contract.height) // 2)


def transform(image: Image.Image, fit: Fit, contract: InputContract) -> np.ndarray:
    """The processor's own pixels: uint8 [height, width, 3], C-contiguous, read-only. An image that has the size already is
    not resampled."""
    resized = image.resize((fit.width, fit.height), FILTERS[contract.resize.interpolation])
    return crop(np.asarray(resized), fit, contract)


def crop(resized: np.ndarray, fit: Fit, contract: InputContract) -> np.ndarray:
    """The model's input out of uint8 [fit.height, fit.width, 3]: C-contiguous, read-only; not copied where it is all."""
    rows, columns = slice(fit.top, fit.top + contract.height), slice(fit.left, fit.left + contract.width)
    pixels = np.ascontiguousarray(resized[rows, columns])
    pixels.flags.writeable = False
    return pixels
