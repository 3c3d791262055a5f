"""Time and memory of a run, measured on a step or two; the model is left as it was."""

import copy
import resource
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vitscope.finetune.batches import Collator, TrainingImages
from vitscope.finetune.device import FLOAT32, Place
from vitscope.finetune.loss import cross_entropy
from vitscope.finetune.pixels import Images, Normaliser
from vitscope.finetune.predict import predict
from vitscope.finetune.recipe import Recipe


@dataclass(frozen=True)
class Estimate:
    """step: seconds of one training step. image: seconds of one image in a measurement. memory: bytes at the peak."""

    step: float
    image: float
    memory: int


def estimate(model: Any, images: Images, normalise: Normaliser, recipe: Recipe, place: Place, train: bool) -> Estimate:
    """Measure the second of two steps, on a copy of the model; without `train`, what the model takes for an image."""
    count = min(recipe.batch_size, len(images))
    began = time.monotonic()
    predict(model, _First(images, count), normalise, count)  # type: ignore[arg-type]
    image = (time.monotonic() - began) / count
    step = 0.0
    if train:
        trained = copy.deepcopy(model).train()
        optimiser = torch.optim.AdamW((p for p in trained.parameters() if p.requires_grad), lr=1e-6)
        batches = TrainingImages(images, recipe, 0)
        collate = Collator(normalise, model.config.num_labels, recipe)
        for _ in range(2):
            began = time.monotonic()
            batch = collate([batches[index] for index in range(count)])
            with torch.autocast(place.device, getattr(torch, place.precision), enabled=place.precision != FLOAT32):
                logits = trained(pixel_values=batch["pixel_values"].to(place.device)).logits
            loss = cross_entropy(logits, batch["labels"].to(place.device))
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad()
            if place.device == "cuda":
                torch.cuda.synchronize()
            step = time.monotonic() - began
    return Estimate(step, image, _peak(place))


class _First:
    """The first images of several."""

    def __init__(self, images: Images, count: int) -> None:
        self._images, self._count = images, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        return self._images[index]


def _peak(place: Place) -> int:
    if place.device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def seconds_text(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
