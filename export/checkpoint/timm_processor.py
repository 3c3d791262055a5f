"""The evaluation transform of a timm checkpoint, made by transformers and timm from its pretrained_cfg."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from vitscope.bundle import InputContract, Padding, Resize
from vitscope.export.errors import ExportError
from vitscope.export.size import MAX_SIDE, Size

# timm's names; "random" is for training, where evaluation takes bicubic.
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


class TimmProcessor:
    """Resizes and crops by torchvision on Pillow images, as timm's validation does.

    Raises ExportError for settings that the bundle's input contract cannot express.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        from transformers.models.timm_wrapper.image_processing_timm_wrapper import TimmWrapperImageProcessor

        settings = dict(config.get("pretrained_cfg") or {})
        self._config = config
        settings |= {name: config[name] for name in ("input_size", "img_size") if name in config}
        if size := (config.get("model_args") or {}).get("img_size"):
            height, width = size if isinstance(size, list | tuple) else (size, size)
            settings["input_size"] = (3, height, width)
        try:
            self._processor = TimmWrapperImageProcessor(settings, architecture=config.get("architecture"))
        except (TypeError, ValueError, LookupError, RuntimeError, AssertionError) as error:  # of values of other kinds
            raise ExportError(
                "CHECKPOINT: timm makes no transform of images of the pretrained_cfg of config.json: "
                f"{type(error).__name__}{f': {error}' if str(error) else ''}"
            ) from error
        self._settings = self._processor.data_config
        self._refuse()

    def fit_to(self, size: Size) -> "TimmProcessor":
        """Return the same processor for another input size. The crop keeps its share."""
        if self._settings["crop_mode"] == "center" and size.height != size.width:
            raise ExportError(f"--size {size}: crop_mode of the pretrained_cfg is center; accepted: a square size")
        settings = {**(self._config.get("pretrained_cfg") or {}), "crop_pct": self._settings["crop_pct"]}
        left = {name: value for name, value in self._config.items() if name not in ("img_size", "model_args")}
        shape = (3, size.height, size.width)
        return TimmProcessor({**left, "pretrained_cfg": settings, "input_size": shape})

    @property
    def size(self) -> Size:
        """The size of its output."""
        _, height, width = self._settings["input_size"]
        return Size(height, width)

    def contract(self) -> InputContract:
        """Return the same steps as the bundle states them."""
        size, share = self.size, self._settings["crop_pct"]
        height, width = math.floor(size.height / share), math.floor(size.width / share)
        interpolation = self._settings["interpolation"]
        mean, std = self._settings["mean"], self._settings["std"]
        # A crop larger than the image pads it with black.
        padding = Padding(place="centre") if height < size.height or width < size.width else None
        if self._settings["crop_mode"] == "squash":
            resize = Resize(mode="squash", height=height, width=width, interpolation=interpolation)
        elif self._settings["crop_mode"] == "border":
            resize = Resize(
                mode="letterbox", height=height, width=width, interpolation=interpolation, rounding="nearest"
            )
            red, green, blue = (round(255 * value) for value in mean)
            padding = Padding(place="centre", fill=(red, green, blue))
        else:
            resize = Resize(mode="shortest_edge", edge=height, interpolation=interpolation)
        return InputContract(
            height=size.height, width=size.width, resize=resize, crop_offset="half_even",
            padding=padding, mean=tuple(mean), std=tuple(std),
        )  # fmt: skip

    def __call__(self, image: Image.Image, return_tensors: str) -> Mapping[str, torch.Tensor]:
        """Prepare an image as transformers does: float32 `pixel_values` [1, 3, H, W]."""
        prepared: Mapping[str, torch.Tensor] = self._processor(image, return_tensors=return_tensors)
        return prepared

    def _refuse(self) -> None:
        size, mode, interpolation = self.size, self._settings["crop_mode"], self._settings["interpolation"]
        if interpolation not in _INTERPOLATIONS:
            raise _error("interpolation", interpolation, ", ".join(_INTERPOLATIONS))
        if mode not in ("center", "squash", "border"):
            raise _error("crop_mode", mode, "center, squash or border")
        if mode == "center" and size.height != size.width:
            raise _error("input_size", str(size), "a square one with crop_mode center, or crop_mode squash or border")
        if not all(1 <= side <= MAX_SIDE for side in (size.height, size.width)):
            raise _error("input_size", str(size), f"sides of 1 to {MAX_SIDE:,} pixels")
        if self._settings["input_size"][0] != 3:
            raise _error("input_size", self._settings["input_size"], "3 channels (RGB)")
        for name, least in (("mean", 0.0), ("std", 1e-6)):
            if len(values := self._settings[name]) != 3 or not all(least <= value <= 1 for value in values):
                raise _error(name, values, f"three values from {least:g} to 1")
        if not 0 < self._settings["crop_pct"] <= 4:
            raise _error("crop_pct", self._settings["crop_pct"], "above 0, up to 4")
        if self._settings.get("crop_border_pixels"):
            raise _error("crop_border_pixels", self._settings["crop_border_pixels"], "none")


def _error(name: str, found: object, accepted: str) -> ExportError:
    return ExportError(f"CHECKPOINT: {name} in the pretrained_cfg of config.json is {found}; accepted: {accepted}")
