"""The checkpoint's own image processor, and its translation into the bundle's input contract."""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import ValidationError
from transformers.image_processing_backends import PilBackend

from vitscope.bundle import InputContract, Resize
from vitscope.export.checkpoint.timm_processor import TimmProcessor
from vitscope.export.errors import ExportError
from vitscope.export.size import Size as Size

MAX_SIDE = 4096  # pixels

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
_INTERPOLATIONS: dict[int, Interpolation] = {
    Image.Resampling.NEAREST: "nearest",
    Image.Resampling.BILINEAR: "bilinear",
    Image.Resampling.BICUBIC: "bicubic",
    Image.Resampling.LANCZOS: "lanczos",
}


def input_contract(processor: Any) -> InputContract:
    """Translate the processor's settings into the preprocessing that the server has to apply.

    Raises ExportError for steps that the contract cannot express: preprocessing must equal that of the training.
    """
    if isinstance(processor, TimmProcessor):
        return processor.contract()
    _refuse_own_steps(processor)
    if not processor.do_resize:
        raise _error("do_resize", False, "true: the server takes images of any size")
    mean = _channels(processor, "image_mean", 0.0, "finite numbers", math.isfinite)
    std = _channels(processor, "image_std", 1.0, "finite numbers above 0", _is_scale)
    if processor.do_rescale and not _is_scale(processor.rescale_factor):
        raise _error("rescale_factor", processor.rescale_factor, "a finite number above 0")
    if processor.resample not in _INTERPOLATIONS:
        raise _error("resample", processor.resample, ", ".join(f"{int(n)} ({t})" for n, t in _INTERPOLATIONS.items()))
    resized, size = _resize(processor), output_size(processor)
    if (side := max(size.height, size.width, resized.height or 0, resized.width or 0, resized.edge or 0)) > MAX_SIDE:
        raise ExportError(
            f"input size: a side of {side:,} pixels, by preprocessor_config.json or --size; "
            f"accepted: up to {MAX_SIDE:,}"
        )
    try:
        return InputContract(
            height=size.height,
            width=size.width,
            resize=resized,
            rescale=processor.rescale_factor if processor.do_rescale else 1.0,
            mean=mean,
            std=std,
        )
    except ValidationError as error:
        raise ExportError(f"CHECKPOINT: preprocessor_config.json: {error.errors()[0]['msg']}") from error


def output_size(processor: Any) -> Size:
    """Return the processor's output size. Raises ExportError if it depends on the image."""
    if isinstance(processor, TimmProcessor):
        return processor.size
    given = processor.crop_size if _crops(processor) else processor.size
    if not given.height or not given.width:
        raise _error("size", _plain(given), "height and width, or shortest_edge followed by a centre crop")
    return Size(given.height, given.width)


def fit_to(processor: Any, size: Size) -> Any:
    """Return the same processor for another input size. The crop keeps its share of the resized image."""
    if isinstance(processor, TimmProcessor):
        if size != processor.size:
            raise ExportError(
                f"--size {size}: a timm model takes the size that it was built for; accepted: {processor.size}, or "
                "img_size in the model_args of its config.json"
            )
        return processor
    _refuse_own_steps(processor)
    before = output_size(processor)
    if size == before:
        return processor
    target = {"height": size.height, "width": size.width}
    if not _crops(processor):
        changes = {"size": target}
    elif processor.size.shortest_edge:
        zoom = max(size.height / before.height, size.width / before.width)
        edge = max(round(processor.size.shortest_edge * zoom), size.height, size.width)
        changes = {"size": {"shortest_edge": edge}, "crop_size": target}
    else:
        resized = {
            "height": round(processor.size.height * size.height / before.height),
            "width": round(processor.size.width * size.width / before.width),
        }
        changes = {"size": resized, "crop_size": target}
    return type(processor)(**{**processor.to_dict(), **changes})


def prepare(processor: Any, image: Image.Image) -> tuple[np.ndarray, torch.Tensor]:
    """Prepare one RGB image for both sides of the comparison.

    Returns uint8 [H, W, 3], resized and cropped, for the graphs; and float32 [3, H, W], also rescaled and normalised by
    the processor, for the checkpoint.
    """
    if isinstance(processor, TimmProcessor):
        return processor.prepare(image)
    pixels = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    tensor = processor(image, return_tensors="pt")["pixel_values"][0]
    return np.ascontiguousarray(pixels.transpose(1, 2, 0)), tensor


def _resize(processor: Any) -> Resize:
    size, interpolation = processor.size, _INTERPOLATIONS[processor.resample]
    if size.shortest_edge and not size.longest_edge and _crops(processor):
        return Resize(mode="shortest_edge", edge=size.shortest_edge, interpolation=interpolation)
    if size.height and size.width:
        return Resize(mode="squash", height=size.height, width=size.width, interpolation=interpolation)
    raise _error("size", _plain(size), "height and width, or shortest_edge followed by a centre crop")


def _refuse_own_steps(processor: Any) -> None:
    """Raise ExportError for a processor whose settings alone do not say what it does."""
    kind = type(processor)
    standard = ("_preprocess", "resize", "center_crop", "rescale", "normalize")
    if not isinstance(processor, PilBackend) or any(getattr(kind, f) is not getattr(PilBackend, f) for f in standard):
        raise ExportError(
            f"CHECKPOINT: its image processor {kind.__name__} has steps of its own; supported are those with plain "
            "resize, centre crop, rescale and normalise (ViT, DeiT, Bit, CLIP image processors and the like)"
        )
    if getattr(processor, "do_pad", None):
        raise _error("do_pad", True, "false")


def _channels(
    processor: Any, name: str, neutral: float, accepted: str, accepts: Callable[[float], bool]
) -> tuple[float, float, float]:
    values = getattr(processor, name) if processor.do_normalize else [neutral] * 3
    if not isinstance(values, list | tuple) or len(values) != 3:
        raise _error(name, values, "three values, one for each of red, green and blue")
    if not all(isinstance(value, int | float) and accepts(value) for value in values):
        raise _error(name, values, accepted)
    red, green, blue = map(float, values)
    return red, green, blue


def _is_scale(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _crops(processor: Any) -> bool:
    return bool(getattr(processor, "do_center_crop", False))


def _plain(size: Any) -> dict[str, int]:
    return {name: value for name, value in dict(size).items() if value is not None}


def _error(name: str, found: object, accepted: str) -> ExportError:
    return ExportError(f"CHECKPOINT: {name} in preprocessor_config.json is {found}; accepted: {accepted}")
