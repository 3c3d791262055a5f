"""Augmentation: what it does to pixels and labels, and that it depends on seed, epoch and image alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitscope.dataset import open_dataset
from vitscope.finetune.augment.erasing import erase
from vitscope.finetune.augment.mixing import mix
from vitscope.finetune.augment.moving import flip, shift
from vitscope.finetune.augment.randaugment import _ALL, randaugment
from vitscope.finetune.batches import Order, TrainingImages, augmented
from vitscope.finetune.model import from_scratch
from vitscope.finetune.pixels import Images
from vitscope.finetune.recipe import Recipe, Scratch

PIXELS = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def test_moving_invents_no_pixels() -> None:
    random = np.random.default_rng(0)
    flips = [flip(PIXELS, random) for _ in range(64)]
    mirrored = [np.array_equal(image, PIXELS[:, ::-1]) for image in flips]
    assert 10 < sum(mirrored) < 54
    assert all(is_mirrored or image is PIXELS for image, is_mirrored in zip(flips, mirrored, strict=True))
    moved = [shift(PIXELS, 2, random) for _ in range(16)]
    assert all(set(image[..., 0].flat) <= set(PIXELS[..., 0].flat) for image in moved)
    assert any(not np.array_equal(image, PIXELS) for image in moved)


def test_nothing_is_changed_where_all_is_off() -> None:
    assert augmented(PIXELS, Recipe(flip=False), np.random.default_rng(0)) is PIXELS


@pytest.mark.parametrize("size", [1.0, -1.0, 0.3])
@pytest.mark.parametrize("number", range(len(_ALL)))
def test_each_operation_keeps_size_and_mode(number: int, size: float) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 28, 3), np.uint8))
    done = _ALL[number](image, size)
    assert (done.size, done.mode) == (image.size, "RGB")


def test_the_magnitude_tells_how_much() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(60, 190, (20, 28, 3), np.uint8))
    changes = [
        np.mean([
            np.abs(np.array(randaugment(image, size, np.random.default_rng(n)), np.int16) - np.array(image)).mean()
            for n in range(60)
        ])
        for size in (1.0, 5.0, 10.0)
    ]  # fmt: skip
    assert changes[0] < changes[1] < changes[2]


def test_erasing() -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    assert erase(pixels, 0.0, np.random.default_rng(0)) is pixels
    shares = [(erase(pixels, 1.0, np.random.default_rng(n)).any(-1)).mean() for n in range(50)]
    assert min(shares) > 0.01 and max(shares) < 0.3
    assert not pixels.any()


@pytest.mark.parametrize(("mixup", "cutmix"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_targets_are_mixed_as_pixels_are(mixup: float, cutmix: float) -> None:
    """Each image is of its class's one colour: so its mean is the share of the class."""
    pixels = torch.eye(4)[:, :3].reshape(4, 3, 1, 1).expand(4, 3, 8, 8).clone()
    for seed in range(10):
        mixed, targets = mix(pixels, torch.eye(4), mixup, cutmix, np.random.default_rng(seed))
        assert torch.allclose(targets.sum(1), torch.ones(4))
        assert torch.allclose(mixed.mean((2, 3)), targets[:, :3], atol=1e-6)
    assert mix(pixels, torch.eye(4), 0, 0, np.random.default_rng(0))[0] is pixels
    assert mix(pixels[:1], torch.eye(4)[:1], mixup, cutmix, np.random.default_rng(0))[0].shape == (1, 3, 8, 8)


def test_an_image_depends_on_seed_epoch_and_number_alone(data: Path) -> None:
    _, processor = from_scratch(Scratch(image_size=16), ["blue", "red"])
    images = Images(open_dataset(data).splits["train"], processor)
    recipe = Recipe(shift=3, randaugment=5.0)

    def of(seed: int, epoch: int) -> tuple[list[int], np.ndarray]:
        training = TrainingImages(images, recipe, seed)
        training.epoch = epoch
        return list(Order(training)), np.stack([training[number]["pixels"] for number in range(4)])

    first, again, next_epoch, other = of(0, 2), of(0, 2), of(0, 3), of(1, 2)
    assert first[0] == again[0] and np.array_equal(first[1], again[1])
    for different in (next_epoch, other):
        assert first[0] != different[0] and not np.array_equal(first[1], different[1])
    assert sorted(first[0]) == list(range(32))
