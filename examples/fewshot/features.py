"""DINOv2's features of Fashion-MNIST images, each computed once, and vitscope's own probe on them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel

from examples.fashion.prepare import LABELS, read_split
from examples.fewshot.draws import TEST, draw
from vitscope.finetune.predict import predict
from vitscope.finetune.probe import fit_probe

BATCH = 50


class Features:
    """Features by split of the data set and number, float32 [768]: class token, and mean of the patches.

    They are kept in `file` between runs.
    """

    def __init__(self, backbone: Path, file: Path) -> None:
        self._backbone, self._file = backbone, file
        self._kept: dict[str, dict[int, np.ndarray]] = {"train": {}, "t10k": {}}
        self._model: Any = None
        if file.exists():
            stored = np.load(file)
            for split, kept in self._kept.items():
                kept.update(zip(stored[f"{split}-numbers"].tolist(), stored[split], strict=True))

    def of(self, split: str, numbers: np.ndarray) -> np.ndarray:
        """Return float32 [N, 768] of images of `train` or `t10k`."""
        kept = self._kept[split]
        missing = [number for number in numbers.tolist() if number not in kept]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            kept.update(zip(batch, self._compute(read_split(split)[0][batch]), strict=True))
            self._store()
        return np.stack([kept[number] for number in numbers.tolist()])

    def _store(self) -> None:
        numbers = {f"{split}-numbers": np.array(list(kept), np.int64) for split, kept in self._kept.items()}
        rows = {split: np.array(list(kept.values()), np.float32).reshape(-1, 768) for split, kept in self._kept.items()}
        np.savez(self._file, **numbers, **rows)  # type: ignore[arg-type]

    @torch.inference_mode()
    def _compute(self, images: np.ndarray) -> np.ndarray:
        if self._model is None:
            self._model = AutoModel.from_pretrained(self._backbone).eval()
            self._processor = AutoImageProcessor.from_pretrained(self._backbone, backend="pil")
        pictures = [Image.fromarray(image).convert("RGB") for image in images]
        tokens = self._model(**self._processor(pictures, return_tensors="pt")).last_hidden_state
        return torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], dim=1).numpy()


class Head(torch.nn.Module):
    """The head that `Dinov2ForImageClassification` has, on features instead of pixels."""

    base_model_prefix = "none"

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_labels=len(LABELS))
        self.classifier = torch.nn.Linear(768, len(LABELS))

    def forward(self, pixel_values: torch.Tensor) -> Any:
        return SimpleNamespace(logits=self.classifier(pixel_values))


class Vectors:
    """Features in the place of images: what `fit_probe` and `predict` read of `Images`."""

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        self.labels, self._features = labels.astype(np.int64), features

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> np.ndarray:
        vector: np.ndarray = self._features[index]
        return vector


def probe(features: Features, seed: int, count: int, test: int = TEST) -> float:
    """Return the test accuracy (0..1) of the probe of `vitscope finetune --mode probe` on one draw."""
    parts: dict[str, Any] = {}
    for name, numbers in draw(seed, count, test).items():
        split = "t10k" if name == "test" else "train"
        parts[name] = Vectors(features.of(split, numbers), read_split(split)[1][numbers])
    model: Any = Head()
    normalise: Any = torch.from_numpy
    fit_probe(model, parts["train"], parts["val"], normalise, None, BATCH, lambda _: iter)
    right = predict(model, parts["test"], normalise, BATCH).argmax(-1) == parts["test"].labels
    return float(right.mean())
