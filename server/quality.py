"""Signs, without labels, of whether a model is still sure of itself and still shown what it knows.

Their distributions are compared over time: a drift of any of them is a reason to look, not a proof of worse answers.
"""

import math
from dataclasses import dataclass

import numpy as np

# About as many samples a side as ViT-B/16 has patches: the mean is within some per cent, for a hundredth of the time.
_SAMPLES = 14
_TINY = np.float32(1e-30)


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one answer. confidence: probability of the first class, 0..1. margin: by how much it passes the second, 0..1. entropy: see
    `attention_entropy`; None where the graph gives no attention. brightness: see `brightness`. pixels: of the image as sent."""

    confidence: float
    margin: float
    entropy: float | None
    brightness: float
    pixels: int


def attention_entropy(attention: np.ndarray) -> float:
    """How evenly the class token looks at the patches: 0, at one alone, to 1, at all alike.

    attention: float32 [heads, patches], or [layers, heads, patches], of which the last layer counts. Shannon's entropy of the mean
    over the heads, as a part of the largest possible, log(patches). 1 where it looks at no patch at all.
    """
    heads = attention if attention.ndim == 2 else attention[-1]
    patches = heads.shape[-1]
    if patches == 1:
        return 0.0
    weights = np.add.reduce(heads, axis=0)
    total = float(np.add.reduce(weights))
    if not total > 0:  # all of it is on the tokens before the patches, and the rest has vanished in 8 or 16 bits
        return 1.0
    # -sum(p log p) for p = w / total, without dividing.
    nats = math.log(total) - float(np.dot(weights, np.log(np.maximum(weights, _TINY)))) / total
    return min(1.0, max(0.0, nats / math.log(patches)))


def brightness(pixels: np.ndarray) -> float:
    """Mean of uint8 [H, W, 3] pixels, of a grid of samples, from 0, black, to 1, white."""
    height, width, _ = pixels.shape
    samples = pixels[:: max(1, height // _SAMPLES), :: max(1, width // _SAMPLES)]
    return int(np.add.reduce(samples, axis=None, dtype=np.int64)) / (255 * samples.size)
