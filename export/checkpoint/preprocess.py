"""The checkpoint's own image processor, and its translation into the bundle's input contract."""

import math
from collections.abc import Callable
from dataclasses import astuple
from typing import Any, Literal

from PIL import Image
from pydantic import ValidationError

from vitscope.bundle import InputContract, Padding, Resize
from vitscope.export.checkpoint.fitting import fit_to as _fit_to
from vitscope.export.checkpoint.own_steps import plain_steps, refuse_own_steps
from vitscope.export.checkpoint.size import cropped_size, output_size, padded_size, plain, setting_error
from vitscope.export.checkpoint.timm_processor import TimmProcessor
from vitscope.export.errors import ExportError
from vitscope.export.size import MAX_SIDE, Size

__all__ = ["Size", "fit_to", "input_contract", "output_size"]

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
    processor = plain_steps(processor)
    refuse_own_steps(processor)
    mean = _channels(processor, "image_mean", 0.0, "finite numbers", math.isfinite)
    std = _channels(processor, "image_std", 1.0, "finite numbers above 0", _is_scale)
    if processor.do_rescale and not _is_scale(processor.rescale_factor):
        raise setting_error("rescale_factor", processor.rescale_factor, "a finite number above 0")
    size, resized = output_size(processor), _resize(processor)
    if (side := max(size.height, size.width, resized.height or 0, resized.width or 0, resized.edge or 0)) > MAX_SIDE:
        raise ExportError(
            f"input size: a side of {side:,} pixels, by preprocessor_config.json or --size; "
            f"accepted: up to {MAX_SIDE:,}"
        )
    rescale = processor.rescale_factor if processor.do_rescale else 1.0
    try:
        return InputContract(
            height=size.height,
            width=size.width,
            resize=resized,
            padding=_padding(processor, resized, size, [value / rescale for value in mean]),
            rescale=rescale,
            mean=mean,
            std=std,
        )
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ExportError(f"CHECKPOINT: preprocessor_config.json: {reason}") from error


def fit_to(processor: Any, size: Size) -> Any:
    """Return the same processor for another input size. Raises ExportError as `input_contract` does."""
    if isinstance(processor, TimmProcessor):
        return processor.fit_to(size)
    refuse_own_steps(plain_steps(processor))
    return _fit_to(processor, size)


def _resize(processor: Any) -> Resize:
    """Translate `size`, whose keys transformers looks at in this order."""
    if not processor.do_resize:
        return Resize(mode="none", interpolation="nearest")
    size, interpolation = processor.size, _interpolation(processor)
    if size.shortest_edge and size.longest_edge:
        longest = size.longest_edge
        return Resize(
            mode="letterbox", height=longest, width=longest, edge=size.shortest_edge, interpolation=interpolation
        )
    if size.shortest_edge:
        return Resize(mode="shortest_edge", edge=size.shortest_edge, interpolation=interpolation)
    if size.max_height and size.max_width:
        return Resize(mode="letterbox", height=size.max_height, width=size.max_width, interpolation=interpolation)
    if size.height and size.width:
        return Resize(mode="squash", height=size.height, width=size.width, interpolation=interpolation)
    raise setting_error("size", plain(size), "height and width, max_height and max_width, or shortest_edge")


def _interpolation(processor: Any) -> Interpolation:
    resample = processor.resample
    if resample is None or isinstance(resample, str):
        return "bilinear"  # so transformers reads text with Pillow
    if resample not in _INTERPOLATIONS:
        raise setting_error("resample", resample, ", ".join(f"{int(n)} ({t})" for n, t in _INTERPOLATIONS.items()))
    return _INTERPOLATIONS[resample]


def _padding(processor: Any, resize: Resize, size: Size, zero: list[float]) -> Padding | None:
    """Return what surrounds an image that is smaller than the input, or None if none ever is.

    A crop that is larger than the image pads it with black, all around. `do_pad` pads with zeros after normalisation.
    zero: the grey level that becomes zero, for each channel.
    """
    if cropped_size(processor):
        smallest = (resize.height, resize.width) if resize.mode == "squash" else (resize.edge,) * 2
        bounded = resize.mode in ("squash", "shortest_edge")
        fits = bounded and (smallest[0] or 0) >= size.height and (smallest[1] or 0) >= size.width
        return None if fits else Padding(place="centre")
    if not padded_size(processor) or (resize.mode == "squash" and (resize.height, resize.width) == astuple(size)):
        return None
    if not all(0 <= value <= 255 for value in zero):
        raise setting_error("image_mean", zero, "grey levels of 0 to 255 where images are padded")
    red, green, blue = (min(255, int(value + 0.5)) for value in zero)
    return Padding(place="start", fill=(red, green, blue))


def _channels(
    processor: Any, name: str, neutral: float, accepted: str, accepts: Callable[[float], bool]
) -> tuple[float, float, float]:
    values = getattr(processor, name) if processor.do_normalize else [neutral] * 3
    if isinstance(values, int | float):
        values = [values] * 3
    if not isinstance(values, list | tuple) or len(values) != 3:
        raise setting_error(name, values, "one value, or three for red, green and blue")
    if not all(isinstance(value, int | float) and accepts(value) for value in values):
        raise setting_error(name, values, accepted)
    red, green, blue = map(float, values)
    return red, green, blue


def _is_scale(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf
