"""Images at the size of the model's input, as the checkpoint's own processor makes them."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from vitscope.cgroup import memory_limit
from vitscope.dataset import LabelledImage
from vitscope.finetune.errors import FinetuneError

# Of the memory of this process: what decoded images may take. More are decoded again in every epoch.
_SHARE = 0.25


class Images:
    """Labelled images by number: uint8 [H, W, 3] RGB, resized and cropped, not yet normalised.

    They are kept in memory where that takes no more than a quarter of it.
    """

    def __init__(self, images: Sequence[LabelledImage], processor: Any) -> None:
        self.labels = np.array([image.label for image in images], np.int64)
        self._images, self._processor = images, processor
        self._kept: list[np.ndarray | None] = [None] * len(images)
        self._keep: bool | None = None

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return the pixels of one image."""
        kept = self._kept[index]
        if kept is not None:
            return kept
        pixels = read(self._images[index], self._processor)
        if self._keep is None:
            self._keep = pixels.nbytes * len(self) <= _SHARE * _memory()
        if self._keep:
            self._kept[index] = pixels
        return pixels

    def load(self, track: Callable[[range], Iterable[int]]) -> None:
        """Read all images that will be kept. `track` wraps their numbers, for a progress bar."""
        for index in track(range(len(self))):
            self[index]
            if not self._keep:
                return


def read(image: LabelledImage, processor: Any) -> np.ndarray:
    """Return one image, upright, as uint8 [H, W, 3] of the model's input size."""
    try:
        with Image.open(image.path) as file:
            upright = ImageOps.exif_transpose(file).convert("RGB")
    except OSError as error:  # it could be read when the data were checked
        raise FinetuneError(f"{image.path}: cannot be read any more ({error})") from error
    size, crops = processor.size, getattr(processor, "do_center_crop", False)
    if not crops and upright.size == (size.get("width"), size.get("height")):
        # The processor would not change it. Skipping it makes the time for 60,000 small files bearable.
        return np.array(upright)
    out = processor(upright, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    return np.ascontiguousarray(np.asarray(out).transpose(1, 2, 0).astype(np.uint8))


class Normaliser:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W], with the processor's scale, mean and standard deviation."""

    def __init__(self, processor: Any) -> None:
        self._scale = float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0
        normal = getattr(processor, "do_normalize", True) and processor.image_mean is not None
        self._mean = torch.tensor(processor.image_mean if normal else [0.0] * 3, dtype=torch.float32).expand(3)
        self._std = torch.tensor(processor.image_std if normal else [1.0] * 3, dtype=torch.float32).expand(3)

    def __call__(self, pixels: np.ndarray) -> torch.Tensor:
        """Return the model's input."""
        scaled = torch.from_numpy(pixels).float() * self._scale
        return ((scaled - self._mean) / self._std).permute(0, 3, 1, 2).contiguous()


def _memory() -> int:
    """Return the bytes that this process may use: those of the machine, or of its control group where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine, memory_limit() or machine)
