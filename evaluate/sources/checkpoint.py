"""A checkpoint, in PyTorch float32 with its own image processor, as `vitscope export` loads it."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps

from vitscope.calibration import CalibrationError, read_calibration
from vitscope.cpus import cpu_share
from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.sources.source import Answer, require_softmax
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.head import activation_of
from vitscope.export.checkpoint.preprocess import Size
from vitscope.export.errors import ExportError

BATCH = 32
_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


class CheckpointSource:
    """A checkpoint folder, a hub id, or what else `vitscope export` takes. Raises EvaluateError if it does not load."""

    kind = "checkpoint"

    def __init__(self, checkpoint: str) -> None:
        try:
            self._checkpoint = load_checkpoint(checkpoint)
            found = read_calibration(self._checkpoint.folder)
        except ExportError as error:
            raise EvaluateError(re.sub("^CHECKPOINT", "--checkpoint", str(error))) from error
        except CalibrationError as error:
            raise EvaluateError(f"--checkpoint: {error}") from error
        require_softmax(activation_of(self._checkpoint.model.config), f"--checkpoint {checkpoint}: this head")
        # torch takes all cores that it sees, also where a quota allows fewer.
        torch.set_num_threads(max(1, min(torch.get_num_threads(), math.floor(cpu_share()[0]))))
        self.name, self.labels = self._checkpoint.source, self._checkpoint.labels
        self.temperature = found.temperature if found else 1.0

    @property
    def settings(self) -> Mapping[str, object]:
        """The libraries that run it."""
        return {
            "engine": f"PyTorch {torch.__version__.partition('+')[0]}, float32",
            "image processor": type(self._checkpoint.processor).__name__,
            "transformers": transformers.__version__,
            "threads": torch.get_num_threads(),
        }

    def answers(self, images: Sequence[Path]) -> Iterator[Answer]:
        """Yield the logits of each image, batch by batch, in order."""
        for start in range(0, len(images), BATCH):
            prepared: list[tuple[int, torch.Tensor]] = []
            for index, path in enumerate(images[start : start + BATCH], start):
                found = self._prepare(path)
                if isinstance(found, str):
                    yield index, found
                else:
                    prepared.append((index, found))
            # Nearly always one shape: a processor that crops nothing may make several.
            for shape in dict.fromkeys(tensor.shape for _, tensor in prepared):
                same = [(index, tensor) for index, tensor in prepared if tensor.shape == shape]
                rows = self._logits(torch.stack([tensor for _, tensor in same]))
                yield from ((index, row) for (index, _), row in zip(same, rows, strict=True))

    @torch.inference_mode()
    def _logits(self, pixels: torch.Tensor) -> np.ndarray:
        """Run the model on float32 [N, 3, H, W]. Raises EvaluateError for a size that it does not take."""
        model, family = self._checkpoint.model, self._checkpoint.family
        size = Size(*pixels.shape[-2:])
        try:
            logits: np.ndarray = family.logits(model, pixels, family.options(model, size)).float().numpy()
        except (ValueError, RuntimeError) as error:
            raise EvaluateError(f"--checkpoint {self.name}: does not take {size} pixels ({error})") from error
        return logits

    def _prepare(self, path: Path) -> torch.Tensor | str:
        try:
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file).convert("RGB")
            tensor: torch.Tensor = self._checkpoint.processor(image, return_tensors="pt")["pixel_values"][0].float()
        except _UNREADABLE as error:
            return " ".join(str(error).split()) or type(error).__name__
        return tensor
