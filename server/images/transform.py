"""Resize, centre crop and padding, as in the checkpoint's own processor."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitscope.bundle import InputContract, Resize
from vitscope.server.images.resample import FILTERS


@dataclass(frozen=True)
class Fit:
    """The resize and crop of one image: to width x height, then to the model's input at (left, top). In pixels.

    left, top: negative where the image is padded on that side.
    """

    width: int
    height: int
    left: int
    top: int


def plan_fit(size: tuple[int, int], contract: InputContract) -> Fit:
    """Compute the fit of an image of `size` (width, height) to the contract.

    The offsets of a crop are rounded as the contract says, all else as the Pillow processors of transformers do. No
    side becomes less than 1.
    """
    width, height = (max(1, side) for side in _resized(size, contract.resize))
    if contract.padding and contract.padding.place == "start":
        return Fit(width, height, 0, 0)
    left, top = (_half(side, contract) for side in (width - contract.width, height - contract.height))
    return Fit(width, height, left, top)


def _half(margin: int, contract: InputContract) -> int:
    """Return where the input begins on an image that is `margin` pixels larger; negative where it is smaller."""
    if contract.crop_offset == "down":
        return margin // 2
    return round(margin / 2) if margin > 0 else -(-margin // 2)  # Python rounds halves to even


def _resized(size: tuple[int, int], resize: Resize) -> tuple[int, int]:
    """Return (width, height) after the resize."""
    width, height = size
    if resize.mode == "none":
        return size
    if resize.mode == "shortest_edge" and resize.edge is not None:
        return resize.edge * width // min(size), resize.edge * height // min(size)
    assert resize.width is not None and resize.height is not None  # ensured by the contract's validator
    if resize.mode == "squash":
        return resize.width, resize.height
    # Floating point in the order of transformers, whose last digit decides where a side is rounded down.
    if resize.edge is None and resize.rounding == "nearest":
        ratio = max(height / resize.height, width / resize.width)
        return round(width / ratio), round(height / ratio)
    if resize.edge is None:
        scale = min(resize.height / height, resize.width / width)
        return int(width * scale), int(height * scale)
    longest, shorter, longer = resize.width, min(size), max(size)
    edge, exact = resize.edge, float(resize.edge)
    if float(longer) / float(shorter) * edge > longest:
        exact = longest * float(shorter) / float(longer)
        edge = round(exact)
    if shorter == edge:
        return size
    other = int(exact * longer / shorter)
    return (edge, other) if width < height else (other, edge)


def transform(image: Image.Image, fit: Fit, contract: InputContract) -> np.ndarray:
    """Return the processor's own pixels: uint8 [height, width, 3], C-contiguous, read-only.

    An image that has the right size already is not resampled.
    """
    resized = image.resize((fit.width, fit.height), FILTERS[contract.resize.interpolation])
    return crop(np.asarray(resized), fit, contract)


def crop(resized: np.ndarray, fit: Fit, contract: InputContract) -> np.ndarray:
    """Crop and pad uint8 [fit.height, fit.width, 3] to the model's input.

    Returns it C-contiguous and read-only, copied only if necessary.
    """
    bottom, right = fit.top + contract.height, fit.left + contract.width
    pixels = resized[max(0, fit.top) : bottom, max(0, fit.left) : right]
    if contract.padding and pixels.shape[:2] != (contract.height, contract.width):
        canvas = np.empty((contract.height, contract.width, 3), np.uint8)
        canvas[:] = contract.padding.fill
        top, left = max(0, -fit.top), max(0, -fit.left)
        canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        pixels = canvas
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    return pixels
