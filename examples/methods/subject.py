"""A model as every method needs it: its checkpoint in PyTorch, with attention matrices, and its exported graphs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vitscope.bundle import CLASSIFY, EVIDENCE, Bundle, open_bundle, probabilities
from vitscope.export.certificate.engines import Run, candidates
from vitscope.export.checkpoint import Checkpoint, load_checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.checkpoint.preprocess import output_size

BATCH = 16


@dataclass(frozen=True)
class Pass:
    """One forward pass with gradients. logits: [N, C]. matrices: of each layer, [N, H, T, T]. states: what leaves each
    block, [N, T, D]."""

    logits: torch.Tensor
    matrices: list[torch.Tensor]
    states: list[torch.Tensor]


class Subject:
    """A checkpoint of transformers with a class token, and its bundle."""

    def __init__(self, checkpoint: Path, bundle: Path) -> None:
        self.checkpoint: Checkpoint = load_checkpoint(str(checkpoint))
        self.bundle: Bundle = open_bundle(bundle)
        self.model, self.family = self.checkpoint.model, self.checkpoint.family
        self.tokens, manifest = self.bundle.manifest.tokens, self.bundle.manifest
        self.family.freeze(self.model, output_size(self.checkpoint.processor))
        self._mean, self._std = (
            torch.tensor(three).view(1, 3, 1, 1) for three in (manifest.input.mean, manifest.input.std)
        )
        self._rescale, self.temperature = manifest.input.rescale, manifest.temperature
        load = candidates()[0].load
        self.classify: Run = load(self.bundle.graph_path(CLASSIFY))
        self.evidence: Run = load(self.bundle.graph_path(EVIDENCE))
        self.grid = (self.tokens.grid_rows, self.tokens.grid_cols)

    def prepared(self, image: Image.Image) -> np.ndarray:
        """Return the pixels of an image as the graphs take them, uint8 [H, W, 3]."""
        pixels: np.ndarray = prepare(self.checkpoint.processor, image.convert("RGB"))[0]
        return pixels

    def normalised(self, pixels: np.ndarray) -> torch.Tensor:
        """Return what the model takes, float32 [N, 3, H, W]."""
        images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float()
        return (images * self._rescale - self._mean) / self._std

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """Run the model in PyTorch."""
        return self.family.logits(self.model, images, {})

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return the probabilities of all classes, [N, C], by the exported graph."""
        parts = [self.classify(pixels[at : at + BATCH])["logits"] for at in range(0, len(pixels), BATCH)]
        found = probabilities(np.concatenate(parts), self.bundle.manifest.activation, self.temperature)
        assert found is not None
        return found

    def score(self, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return the probabilities [N] of one class each."""
        found: np.ndarray = self.probabilities(pixels)[np.arange(len(classes)), classes]
        return found

    def passed(self, pixels: np.ndarray) -> Pass:
        """Run the model, keeping the attention and the state of every layer."""
        matrices, states = list[torch.Tensor](), list[torch.Tensor]()
        hooks = [
            block.register_forward_hook(lambda _m, _i, out: states.append(out[0] if isinstance(out, tuple) else out))
            for block in self.family.blocks(self.model)
        ]
        try:
            with torch.enable_grad(), self.family.watch(self.model, matrices.append):
                logits = self.logits(self.normalised(pixels).requires_grad_())
        finally:
            for hook in hooks:
                hook.remove()
        return Pass(logits, matrices, states)

    def head(self, state: torch.Tensor) -> torch.Tensor:
        """Read a state [N, T, D] as the head reads the last one. Returns logits [N, C]."""
        normed = self.family.last(self.model)(state)
        features = [normed[:, 0]]
        if self.tokens.pooling == "cls+mean":
            features.append(normed[:, self.tokens.prefix :].mean(dim=1))
        found: torch.Tensor = self.model.classifier(torch.cat(features, dim=-1))
        return found

    def read(self, relevance: torch.Tensor) -> np.ndarray:
        """Take the patches [N, P] out of relevances [N, T, T], for the tokens that the head reads."""
        rows, prefix = relevance[:, 0], self.tokens.prefix
        if self.tokens.pooling == "cls+mean":
            rows = (rows + relevance[:, prefix:].mean(dim=1)) / 2
        found: np.ndarray = rows[:, prefix:].detach().numpy()
        return found


def picked(scores: torch.Tensor, classes: np.ndarray) -> Any:
    """Return the sum over images of the scores of their classes."""
    return scores.gather(1, torch.from_numpy(classes)[:, None]).sum()
