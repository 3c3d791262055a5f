"""Methods that need gradients, in PyTorch: what cannot be asked of an exported graph.

Grad-CAM and integrated gradients are captum's. Chefer et al. (ICCV 2021, arXiv:2103.15679) and LeGrad (Bousselham et
al., ICCV 2025, arXiv:2404.03214) are written after the papers: no maintained library has them for these models.
"""

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerGradCam

from examples.methods.subject import Subject, picked

STEPS = 20  # of integrated gradients


def grad_cam(subject: Subject, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Grad-CAM at the first norm of the last block, as pytorch-grad-cam advises for ViTs."""
    block = subject.family.blocks(subject.model)[-1]
    name = next(name for name in ("layernorm_before", "norm1") if hasattr(block, name))
    norm = getattr(block, name)
    seen = _Transposed(norm)
    setattr(block, name, seen)
    try:
        cam = LayerGradCam(subject.logits, seen.middle)
        found = cam.attribute(subject.normalised(pixels), torch.from_numpy(classes), relu_attributions=True)
    finally:
        setattr(block, name, norm)
    maps: np.ndarray = found[:, 0, subject.tokens.prefix :].detach().numpy()
    return maps


def integrated_gradients(subject: Subject, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Integrated gradients of the logit from the mean colour of training, 20 steps, summed over each patch."""
    images = subject.normalised(pixels)
    found = IntegratedGradients(subject.logits).attribute(
        images, torch.zeros_like(images), torch.from_numpy(classes), n_steps=STEPS, internal_batch_size=len(images)
    )
    rows, cols = subject.grid
    by_patch = found.detach().unflatten(3, (cols, -1)).unflatten(2, (rows, -1)).sum(dim=(1, 3, 5))
    maps: np.ndarray = by_patch.flatten(1).numpy()
    return maps


def chefer(subject: Subject, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Attention times gradient, positive, mean over heads, chained over the layers."""
    passed = subject.passed(pixels)
    slopes = torch.autograd.grad(picked(passed.logits, classes), passed.matrices)
    relevance = torch.eye(slopes[0].shape[-1]).expand(len(pixels), -1, -1)
    for matrix, slope in zip(passed.matrices, slopes, strict=True):
        relevance = relevance + (matrix * slope).relu().mean(dim=1) @ relevance
    return subject.read(relevance)


def legrad(subject: Subject, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Positive gradient by the attention of each layer, of what the head makes of that layer; mean over queries."""
    passed = subject.passed(pixels)
    found = torch.zeros(len(pixels), passed.matrices[0].shape[-1])
    for matrix, state in zip(passed.matrices, passed.states, strict=True):
        (slope,) = torch.autograd.grad(picked(subject.head(state), classes), matrix, retain_graph=True)
        found = found + slope.relu().mean(dim=(1, 2))
    maps: np.ndarray = found[:, subject.tokens.prefix :].detach().numpy()
    return maps


class _Transposed(torch.nn.Module):
    """A norm whose features pass `middle` as channels, [N, D, T], which is how captum takes a layer."""

    def __init__(self, norm: torch.nn.Module) -> None:
        super().__init__()
        self.norm, self.middle = norm, torch.nn.Identity()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.middle(self.norm(tokens).mT).mT
        return found
