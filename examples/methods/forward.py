"""Methods of one forward pass: those of the exported graphs, and rollout."""

from collections.abc import Callable

import numpy as np
import torch

from examples.methods.subject import Subject

Maps = Callable[[Subject, np.ndarray, np.ndarray], np.ndarray]
"""Model, images (uint8 [N, H, W, 3]) and classes (int64 [N]) -> a value for each patch, [N, P]."""


def chance(_: Subject, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Random values, which are others for other images and classes."""
    size = _.tokens.patches
    seeds = pixels.reshape(len(pixels), -1).sum(axis=1, dtype=np.int64) + classes
    return np.stack([np.random.default_rng(int(seed)).random(size) for seed in seeds])


def attention(subject: Subject, pixels: np.ndarray, _: np.ndarray) -> np.ndarray:
    """Return the class token's attention in the last layer, mean over heads."""
    found: np.ndarray = subject.classify(pixels)["attention"].mean(axis=1)
    return found


@torch.no_grad()
def rollout(subject: Subject, pixels: np.ndarray, _: np.ndarray) -> np.ndarray:
    """Attention rollout, mean over heads."""
    return subject.read(_rolled(subject.passed(pixels).matrices))


def evidence(output: str) -> Maps:
    """One of the three kinds of evidence, out of the exported graph."""

    def maps(subject: Subject, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        return subject.evidence(pixels, target_class=classes[:, None])[output][:, 0]

    return maps


def evidence_rollout(subject: Subject, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Positive evidence at the last layer, followed through the layers below as rollout follows attention."""
    positive = torch.from_numpy(np.maximum(evidence("evidence")(subject, pixels, classes), 0))
    prefix = subject.tokens.prefix
    below = _rolled(subject.passed(pixels).matrices[:-1]).detach()[:, prefix:, prefix:]
    found: np.ndarray = (positive[:, None] @ below)[:, 0].numpy()
    return found


def _rolled(matrices: list[torch.Tensor]) -> torch.Tensor:
    unit = torch.eye(matrices[0].shape[-1])
    rolled = unit.expand(len(matrices[0]), -1, -1)
    for matrix in matrices:
        rolled = (matrix.mean(dim=1) + unit) / 2 @ rolled
    return rolled
