"""One image for both sides of the comparison: by the bundle's contract, and by the checkpoint's own processor."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from vitscope.bundle import InputContract, Resize
from vitscope.export.checkpoint.files import one_line
from vitscope.export.checkpoint.preprocess import input_contract
from vitscope.export.errors import ExportError

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# (width, height) of the noise that a contract is tried on: wide, high, square, small and thin.
_TRIED = ((331, 200), (150, 417), (256, 256), (19, 23), (400, 31))
_ROUNDING = 2e-5  # of float32, relative to the largest value


def prepare(processor: Any, image: Image.Image) -> tuple[np.ndarray, torch.Tensor]:
    """Prepare one RGB image for both sides of the comparison.

    Returns uint8 [H, W, 3], by the bundle's contract, for the graphs; and float32 [3, H, W], by transformers itself,
    for the checkpoint. Raises ExportError if they are not the same image: the contract then misreads the processor.
    """
    contract = input_contract(processor)
    try:
        tensor = processor(image, return_tensors="pt")["pixel_values"][0].float()
    except (ValueError, TypeError, RuntimeError, LookupError, OSError) as error:
        raise ExportError(
            f"CHECKPOINT: its image processor fails on an image of {image.width}x{image.height}: {one_line(error)}"
        ) from error
    if tensor.ndim != 3:
        raise ExportError(
            f"CHECKPOINT: its image processor {type(processor).__name__} makes several images of one, of shape "
            f"{list(tensor.shape)}; accepted: processors that make one image, [3, height, width]"
        )
    pixels = by_contract(image, contract)
    expected, found = tensor.numpy().transpose(1, 2, 0), _normalised(pixels, contract)
    apart = _apart(pixels, expected, found, contract) if expected.shape == found.shape else np.inf
    if apart > _ROUNDING * max(1.0, float(np.abs(expected).max())):
        height, width = expected.shape[:2]
        raise ExportError(
            f"CHECKPOINT: of an image of {image.width}x{image.height} its image processor {type(processor).__name__} "
            f"makes {width}x{height} values that its settings do not explain ({apart:.2g} apart); accepted: processors "
            "that resize, crop, pad and normalise as their settings say"
        )
    return pixels, tensor


def check_contract(processor: Any) -> None:
    """Compare contract and processor on noise of several shapes. Raises ExportError as `prepare` does."""
    random = np.random.default_rng(0)
    for width, height in _TRIED:
        prepare(processor, Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)))


def by_contract(image: Image.Image, contract: InputContract) -> np.ndarray:
    """Resize, crop and pad an RGB image as the manifest says. Returns uint8 [H, W, 3]."""
    width, height = _resized(image.size, contract.resize)
    if (width, height) != image.size:
        image = image.resize((width, height), _FILTERS[contract.resize.interpolation])
    left, top = (_half(side, contract) for side in (width - contract.width, height - contract.height))
    if contract.padding and contract.padding.place == "start":
        left = top = 0
    canvas = np.zeros((contract.height, contract.width, 3), np.uint8)
    canvas[:] = contract.padding.fill if contract.padding else (0, 0, 0)
    part = np.asarray(image)[max(0, top) : top + contract.height, max(0, left) : left + contract.width]
    y, x = max(0, -top), max(0, -left)
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas


def _half(margin: int, contract: InputContract) -> int:
    """Return where the input begins on an image that is `margin` pixels larger; negative where it is smaller."""
    if contract.crop_offset == "down":
        return margin // 2
    return round(margin / 2) if margin > 0 else -(-margin // 2)  # Python rounds halves to even


def _resized(size: tuple[int, int], resize: Resize) -> tuple[int, int]:
    """Return (width, height) after the resize, with the rounding of transformers."""
    width, height = size
    if resize.mode == "none":
        return size
    if resize.mode == "squash":
        return resize.width or 0, resize.height or 0
    if resize.mode == "shortest_edge":
        return tuple(int((resize.edge or 0) * side / min(size)) for side in size)  # type: ignore[return-value]
    box_width, box_height = resize.width or 0, resize.height or 0
    if resize.rounding == "nearest":  # as timm has it
        zoom = max(height / box_height, width / box_width)
        return round(width / zoom), round(height / zoom)
    if resize.edge is None:
        scale = min(box_height / height, box_width / width)
        return int(width * scale), int(height * scale)
    ratio, edge, raw = max(size) / min(size), resize.edge, float(resize.edge)
    if ratio * edge > box_width:
        raw = box_width * min(size) / max(size)
        edge = round(raw)
    if min(size) == edge:
        return size
    return (edge, int(raw * height / width)) if width < height else (int(raw * width / height), edge)


def _normalised(pixels: np.ndarray, contract: InputContract) -> np.ndarray:
    normalised: np.ndarray = (pixels * contract.rescale - np.array(contract.mean)) / np.array(contract.std)
    return normalised


def _apart(pixels: np.ndarray, expected: np.ndarray, found: np.ndarray, contract: InputContract) -> float:
    """Return the largest difference. Where padding stands for the mean, half a grey level is rounding (see Padding)."""
    apart = np.abs(expected - found)
    if contract.padding and contract.padding.place == "start":
        half = 0.5 * contract.rescale / np.array(contract.std)
        apart -= half * (pixels == contract.padding.fill).all(-1, keepdims=True)
    return float(apart.max())
