"""Labelled image folders as tensors of model-sized pixels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from vitscope.finetune.errors import FinetuneError
from vitscope.image_files import SUFFIXES, is_image_name


@dataclass(frozen=True)
class Split:
    """One labelled part of a data set, already resized and cropped to the model's input.

    pixels: uint8 [N, H, W, 3], RGB.  labels: int64 [N], indices into the job's label names.
    """

    pixels: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


def label_names(folder: Path) -> list[str]:
    """Return the class names of a labelled folder: its sub-folders, sorted.

    Raises FinetuneError if the folder is missing or holds fewer than two classes.
    """
    if not folder.is_dir():
        raise FinetuneError(f"{folder}: no such folder; expected {folder}/<label>/<image>")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        raise FinetuneError(f"{folder}: found {len(names)} label folders, at least 2 are needed")
    return names


def load_split(
    folder: Path,
    labels: list[str],
    processor: Any,
    track: Callable[[list[Any]], Iterable[Any]] = iter,
) -> Split:
    """Read `<folder>/<label>/<image>` through the checkpoint's own processor.

    Only the processor's geometry (resize, crop) is applied here; normalisation happens on the batch, so that a split
    takes one byte per value in memory. `track` wraps the list of files, for a progress bar.
    Raises FinetuneError for an unknown label, an empty split or an unreadable image.
    """
    unknown = sorted(set(label_names(folder)) - set(labels))
    if unknown:
        raise FinetuneError(f"{folder}: labels {unknown} are not among the training labels {labels}")
    files = [(path, labels.index(path.parent.name)) for path in image_files(folder, labels)]
    if not files:
        raise FinetuneError(f"{folder}: no images; accepted suffixes are {', '.join(SUFFIXES)}")
    pixels = [_read(path, processor) for path, _ in track(files)]
    return Split(torch.from_numpy(np.stack(pixels)), torch.tensor([index for _, index in files]))


def image_files(folder: Path, labels: list[str]) -> list[Path]:
    """Return `<folder>/<label>/<image>` of all labels, sorted by label in their order, then by name."""
    return [path for label in labels for path in sorted((folder / label).glob("*")) if is_image_name(path)]


def _read(path: Path, processor: Any) -> np.ndarray:
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file).convert("RGB")
    except OSError as error:
        raise FinetuneError(f"{path}: not a readable image ({error})") from error
    size, crops = processor.size, getattr(processor, "do_center_crop", False)
    if not crops and image.size == (size.get("width"), size.get("height")):
        # The processor would not change it. Skipping it makes the time for 60,000 small files bearable.
        return np.array(image)
    out = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
    return np.ascontiguousarray(out.transpose(1, 2, 0).astype(np.uint8))


def augment(pixels: torch.Tensor, flip: bool, shift: int, generator: torch.Generator) -> torch.Tensor:
    """Flip each image with probability 0.5, and shift it at random by up to `shift` pixels, repeating the edges.

    Takes and returns uint8 [N, H, W, 3].
    """
    n, height, width, _ = pixels.shape
    dy, dx = torch.randint(-shift, shift + 1, (2, n, 1), generator=generator)
    rows = (torch.arange(height) + dy).clamp(0, height - 1)
    cols = (torch.arange(width) + dx).clamp(0, width - 1)
    if flip:
        cols = torch.where(torch.rand(n, 1, generator=generator) < 0.5, cols.flip(1), cols)
    return pixels[torch.arange(n)[:, None, None], rows[:, :, None], cols[:, None, :]]
