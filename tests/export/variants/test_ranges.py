"""Ranges of tensors over images, against the checkpoint itself."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch

from tests.export.tracing import traced
from vitscope.export.certificate.images import read_image
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.variants.ranges import BATCH, largest

COUNT = 2 * BATCH + 3


@pytest.fixture(scope="module")
def model(checkpoints: dict[str, Path]) -> ir.Model:
    return traced(checkpoints["vit"])


def output_of(model: ir.Model, kind: str, number: int = 0) -> str:
    return [node for node in model.graph if node.op_type == kind][number].outputs[0].name or ""


def test_one_image_among_many_is_enough(model: ir.Model) -> None:
    pixels = output_of(model, "Cast")
    for index in (0, BATCH, COUNT - 1):
        images = np.full((COUNT, 32, 32, 3), 7, np.uint8)
        images[index, 3, 4, 1] = 201
        assert largest(model, [pixels], images) == {pixels: 201}


def test_signs_do_not_count(model: ir.Model) -> None:
    """ViT's pixels range from -1 to 1, so black has the same magnitude as white."""
    normalised = output_of(model, "Add")
    found = [largest(model, [normalised], np.full((1, 32, 32, 3), grey, np.uint8))[normalised] for grey in (0, 255, 64)]
    assert found == pytest.approx([1, 1, 1 - 64 * 2 / 255], abs=1e-5)


def test_it_is_what_the_checkpoint_computes(model: ir.Model, checkpoints: dict[str, Path], photos: Path) -> None:
    checkpoint = load_checkpoint(str(checkpoints["vit"]))
    files = sorted(photos.rglob("*.jpg"))
    images, tensors = zip(*(prepare(checkpoint.processor, read_image(p)) for p in files), strict=True)
    outputs: list[torch.Tensor] = []
    checkpoint.model.vit.layers[1].layernorm_after.register_forward_hook(lambda _m, _i, out: outputs.append(out))
    with torch.inference_mode():
        checkpoint.model(torch.stack(tensors))
    norm = output_of(model, "LayerNormalization", 3)
    assert largest(model, [norm, norm], np.stack(images)) == {
        norm: pytest.approx(float(outputs[0].abs().max()), rel=1e-5)
    }


def test_the_model_is_left_as_it_was(model: ir.Model) -> None:
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    largest(model, [output_of(model, "LayerNormalization")], np.zeros((1, 32, 32, 3), np.uint8))
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before
