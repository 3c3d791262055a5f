from pathlib import Path

import numpy as np
import torch

from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.images import find_images, read_image
from vitscope.export.preprocess import Size, prepare
from vitscope.export.progress import Silent
from vitscope.export.reference import run_reference


def test_rows_are_those_of_output_attentions(checkpoints: dict[str, Path], photos: Path) -> None:
    checkpoint, files = load_checkpoint(str(checkpoints["deit"])), find_images(photos, photos).files
    found = run_reference(checkpoint, checkpoint.processor, Size(32, 32), files, 18, Silent())
    with torch.inference_mode():
        tensors = torch.stack([prepare(checkpoint.processor, read_image(path))[1] for path in files])
        out = checkpoint.model(tensors, output_attentions=True)
    np.testing.assert_allclose(found.logits, out.logits.numpy(), atol=1e-5)
    rows = torch.stack([matrix[:, :, 0] for matrix in out.attentions], dim=1)
    np.testing.assert_allclose(found.rows, rows.numpy(), atol=1e-6)
    assert found.pixels.shape == (24, 32, 32, 3) and found.pixels.dtype == np.uint8
