"""Resize and centre crop, as in the checkpoint's own processor."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitscope.bundle import InputContract
from vitscope.server.images.resample import FILTERS


@dataclass(frozen=True)
class Fit:
    """The resize and crop of one image: to width x height, then to the model's input at (left, top). In pixels."""

    width: int
    height: int
    left: int
    top: int


def plan_fit(size: tuple[int, int], contract: InputContract) -> Fit:
    """Compute the fit of an image of `size` (width, height) to the contract.

    The longer side of shortest_edge is rounded down, as in transformers and torchvision; the offsets of the crop as the
    contract says.
    """
    resize = contract.resize
    if resize.edge is not None:
        shorter = min(size)
        width, height = (resize.edge * side // shorter for side in size)
    else:
        assert resize.width is not None and resize.height is not None  # ensured by the contract's validator
        width, height = resize.width, resize.height
    left, top = (_half(side, contract) for side in (width - contract.width, height - contract.height))
    return Fit(width, height, left, top)


def _half(margin: int, contract: InputContract) -> int:
    return margin // 2 if contract.crop_offset == "down" else round(margin / 2)  # Python rounds halves to even


def transform(image: Image.Image, fit: Fit, contract: InputContract) -> np.ndarray:
    """Return the processor's own pixels: uint8 [height, width, 3], C-contiguous, read-only.

    An image that has the right size already is not resampled.
    """
    resized = image.resize((fit.width, fit.height), FILTERS[contract.resize.interpolation])
    return crop(np.asarray(resized), fit, contract)


def crop(resized: np.ndarray, fit: Fit, contract: InputContract) -> np.ndarray:
    """Crop uint8 [fit.height, fit.width, 3] to the model's input: C-contiguous, read-only, copied only if necessary."""
    rows, columns = slice(fit.top, fit.top + contract.height), slice(fit.left, fit.left + contract.width)
    pixels = np.ascontiguousarray(resized[rows, columns])
    pixels.flags.writeable = False
    return pixels
