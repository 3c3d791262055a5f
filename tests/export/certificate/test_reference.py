"""The reference, against transformers with output_attentions."""

from pathlib import Path

import numpy as np
import torch

from vitscope.export.certificate.images import find_images, read_image
from vitscope.export.certificate.reference import run_reference
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.methods import Attention
from vitscope.export.progress import Silent


def test_rows_are_those_of_output_attentions(checkpoints: dict[str, Path], photos: Path) -> None:
    attention = Attention()
    checkpoint, files = load_checkpoint(str(checkpoints["deit"])), find_images(photos, photos).files
    found = run_reference(checkpoint, checkpoint.processor, files, [attention], Silent())
    checkpoint.model.set_attn_implementation("eager")
    with torch.inference_mode():
        tensors = torch.stack([prepare(checkpoint.processor, read_image(path))[1] for path in files])
        out = checkpoint.model(tensors, output_attentions=True)
    np.testing.assert_allclose(found.logits, out.logits.numpy(), atol=1e-5)
    rows = torch.stack([matrix[:, :, 0] for matrix in out.attentions], dim=1)
    np.testing.assert_allclose(found.rows[attention], rows.numpy(), atol=1e-6)
    assert found.pixels.shape == (24, 32, 32, 3) and found.pixels.dtype == np.uint8
    part = found[8:16]
    np.testing.assert_array_equal(part.logits, found.logits[8:16])
    np.testing.assert_array_equal(part.rows[attention], found.rows[attention][8:16])
