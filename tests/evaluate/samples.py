"""Predictions of made-up models."""

from pathlib import Path

import numpy as np

from vitscope.evaluate import Predictions


def predictions(
    classes: int = 4, images: int = 400, sharpness: float = 1.0, seed: int = 0, labels: tuple[str, ...] = ()
) -> Predictions:
    """Return those of a model whose probabilities are exactly right at temperature `sharpness`."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (images, classes))
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    truth = (random.random((images, 1)) > shares.cumsum(-1)).sum(-1).clip(max=classes - 1)
    paths = tuple(Path(f"data/{number:04}.png") for number in range(images))
    names = labels or tuple(f"class {number}" for number in range(classes))
    return Predictions(names, paths, truth, (logits * sharpness).astype(np.float32))
