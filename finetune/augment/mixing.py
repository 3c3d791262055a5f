"""Mixup (Zhang et al., arXiv:1710.09412) and CutMix (Yun et al., arXiv:1905.04899): two images, two labels."""

import math

import numpy as np
import torch


def mix(
    pixels: torch.Tensor, targets: torch.Tensor, mixup: float, cutmix: float, random: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the batch with each image mixed with another of it, and targets in the same proportion.

    pixels: float [N, 3, H, W]. targets: float [N, C], rows that add up to 1. mixup, cutmix: alpha of the Beta
    distribution that the share is drawn from; 0 switches either off, and with both on each batch gets one of them.
    """
    if (not mixup and not cutmix) or len(pixels) < 2:
        return pixels, targets
    cut = bool(cutmix) and (not mixup or random.random() < 0.5)
    alpha = cutmix if cut else mixup
    share = float(random.beta(alpha, alpha))
    other = torch.from_numpy(random.permutation(len(pixels)))
    if cut:
        pixels, share = _cut(pixels, pixels[other], share, random)
    else:
        pixels = share * pixels + (1 - share) * pixels[other]
    return pixels, share * targets + (1 - share) * targets[other]


def _cut(
    pixels: torch.Tensor, others: torch.Tensor, share: float, random: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Return `pixels` with a rectangle of `others`, and the share of its area that is left."""
    height, width = pixels.shape[-2:]
    high, wide = (round(side * math.sqrt(1 - share)) for side in (height, width))
    middle, centre = int(random.integers(height)), int(random.integers(width))
    top, bottom = max(middle - high // 2, 0), min(middle - high // 2 + high, height)
    left, right = max(centre - wide // 2, 0), min(centre - wide // 2 + wide, width)
    mixed = pixels.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
