"""Batches for the Trainer. What is random about an image depends on seed, epoch and its number, and on nothing else.

So a run that was interrupted sees the same images again, and worker processes change nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from vitscope.finetune.augment.erasing import erase
from vitscope.finetune.augment.mixing import mix
from vitscope.finetune.augment.moving import flip, shift
from vitscope.finetune.augment.randaugment import randaugment
from vitscope.finetune.pixels import Images, Normaliser
from vitscope.finetune.recipe import Recipe

_ORDER, _MIX = 2**31, 2**31 + 1  # beside the numbers of images


class TrainingImages(torch.utils.data.Dataset[dict[str, Any]]):
    """Augmented images. `epoch` (from 0) is set before each pass."""

    def __init__(self, images: Images, recipe: Recipe, seed: int) -> None:
        self.images, self.recipe, self.seed, self.epoch = images, recipe, seed, 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return pixels (uint8 [H, W, 3]), label, index and the generator's key."""
        key = (self.seed, self.epoch, index)
        pixels = augmented(self.images[index], self.recipe, np.random.default_rng(key))
        return {"pixels": pixels, "label": int(self.images.labels[index]), "key": key}


class Order(torch.utils.data.Sampler[int]):
    """A new order of the training images for every epoch."""

    def __init__(self, images: TrainingImages) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng((self._images.seed, self._images.epoch, _ORDER))
        return iter(random.permutation(len(self._images)).tolist())


@dataclass(frozen=True)
class Collator:
    """Items -> `pixel_values` float32 [N, 3, H, W] and `labels` float32 [N, C], mixed where the recipe says so."""

    normalise: Normaliser
    classes: int
    recipe: Recipe

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return one batch."""
        pixels = self.normalise(np.stack([item["pixels"] for item in items]))
        labels = torch.tensor([item["label"] for item in items])
        targets = torch.nn.functional.one_hot(labels, self.classes).float()
        random = np.random.default_rng((*items[0]["key"], _MIX))
        pixels, targets = mix(pixels, targets, self.recipe.mixup, self.recipe.cutmix, random)
        return {"pixel_values": pixels, "labels": targets}


def augmented(pixels: np.ndarray, recipe: Recipe, random: np.random.Generator) -> np.ndarray:
    """Return a changed copy of uint8 [H, W, 3]; the same array where the recipe changes nothing."""
    if recipe.flip:
        pixels = flip(pixels, random)
    if recipe.shift:
        pixels = shift(pixels, recipe.shift, random)
    if recipe.randaugment:
        pixels = np.array(randaugment(Image.fromarray(np.ascontiguousarray(pixels)), recipe.randaugment, random))
    if recipe.erasing:
        pixels = erase(pixels, recipe.erasing, random)
    return pixels
