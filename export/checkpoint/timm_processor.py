"""The evaluation transform of a timm checkpoint, made by transformers and timm from its pretrained_cfg."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image

from vitscope.bundle import InputContract, Resize
from vitscope.export.errors import ExportError
from vitscope.export.size import Size

# timm's names; "random" is for training, where evaluation takes bicubic.
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


class TimmProcessor:
    """Resizes and crops by torchvision on Pillow images, as timm's validation does.

    Raises ExportError for settings that the bundle's input contract cannot express.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        from transformers.models.timm_wrapper.image_processing_timm_wrapper import TimmWrapperImageProcessor

        settings = dict(config.get("pretrained_cfg") or {})
        settings |= {name: config[name] for name in ("input_size", "img_size") if name in config}
        if size := (config.get("model_args") or {}).get("img_size"):
            height, width = size if isinstance(size, list | tuple) else (size, size)
            settings["input_size"] = (3, height, width)
        self._processor = TimmWrapperImageProcessor(settings, architecture=config.get("architecture"))
        self._settings = self._processor.data_config
        self._refuse()

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
        if self._settings["crop_mode"] == "squash":
            resize = Resize(mode="squash", height=height, width=width, interpolation=interpolation)
        else:
            resize = Resize(mode="shortest_edge", edge=height, interpolation=interpolation)
        mean, std = self._settings["mean"], self._settings["std"]
        return InputContract(
            height=size.height, width=size.width, resize=resize, crop_offset="half_even",
            mean=tuple(mean), std=tuple(std),
        )  # fmt: skip

    def __call__(self, image: Image.Image, return_tensors: str) -> Mapping[str, torch.Tensor]:
        """Prepare an image as transformers does: float32 `pixel_values` [1, 3, H, W]."""
        prepared: Mapping[str, torch.Tensor] = self._processor(image, return_tensors=return_tensors)
        return prepared

    def _refuse(self) -> None:
        size, mode, interpolation = self.size, self._settings["crop_mode"], self._settings["interpolation"]
        if interpolation not in _INTERPOLATIONS:
            raise _error("interpolation", interpolation, ", ".join(_INTERPOLATIONS))
        if mode not in ("center", "squash"):
            raise _error("crop_mode", mode, "center or squash")
        if mode == "center" and size.height != size.width:
            raise _error("input_size", str(size), "a square one with crop_mode center, or crop_mode squash")
        if self._settings["input_size"][0] != 3:
            raise _error("input_size", self._settings["input_size"], "3 channels (RGB)")
        if self._settings.get("crop_border_pixels"):
            raise _error("crop_border_pixels", self._settings["crop_border_pixels"], "none")


def _error(name: str, found: object, accepted: str) -> ExportError:
    return ExportError(f"CHECKPOINT: {name} in the pretrained_cfg of config.json is {found}; accepted: {accepted}")
