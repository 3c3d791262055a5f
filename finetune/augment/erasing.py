"""Random erasing (Zhong et al., arXiv:1708.04896): a rectangle of noise, so that no single part decides."""

import math

import numpy as np

_AREA = (0.02, 0.25)
_ASPECT = (0.3, 1 / 0.3)


def erase(pixels: np.ndarray, probability: float, random: np.random.Generator) -> np.ndarray:
    """Return uint8 [H, W, 3], with that probability with noise in 2 to 25 % of its area."""
    if random.random() >= probability:
        return pixels
    height, width, _ = pixels.shape
    area = random.uniform(*_AREA) * height * width
    aspect = math.exp(random.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1])))
    high = min(max(round(math.sqrt(area * aspect)), 1), height)
    wide = min(max(round(math.sqrt(area / aspect)), 1), width)
    top, left = random.integers(0, height - high + 1), random.integers(0, width - wide + 1)
    erased = pixels.copy()
    erased[top : top + high, left : left + wide] = random.integers(0, 256, (high, wide, 3), np.uint8)
    return erased
