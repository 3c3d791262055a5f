"""A base for other sizes: what it answers stays the same as far as it can."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification

from tests.finetune.conftest import Finetune
from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.resize import resized


def load(base: Path) -> tuple[AutoModelForImageClassification, AutoImageProcessor]:
    return (
        AutoModelForImageClassification.from_pretrained(base).eval(),
        AutoImageProcessor.from_pretrained(base, backend="pil"),
    )


def test_smaller_patches_see_what_larger_ones_saw_of_a_larger_image(base: Path) -> None:
    """Nearest: halves of a plain patch are plain, and bilinear scaling within a patch leaves it so."""
    model, _ = load(base)
    twice, _ = resized(*load(base), image_size=32, patch_size=None)
    half, processor = resized(*load(base), image_size=None, patch_size=4)
    assert (half.config.image_size, half.config.patch_size) == (16, 4)
    assert (processor.size["height"], processor.size["width"]) == (16, 16)
    plain = torch.rand(3, 3, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)  # 16 x 16, plain patches of 4
    double = plain.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.inference_mode():
        assert torch.allclose(half.eval()(plain).logits, twice.eval()(double).logits, atol=1e-5)
        same, _ = resized(*load(base), image_size=16, patch_size=8)
        assert torch.equal(same.eval()(plain).logits, model(plain).logits)


def test_what_cannot_be_resized_is_said(base: Path) -> None:
    with pytest.raises(FinetuneError, match="--image-size 16 is not a multiple of --patch-size 5"):
        resized(*load(base), image_size=None, patch_size=5)
    model, processor = load(base)
    model.config.patch_size = [4, 2]
    with pytest.raises(FinetuneError, match="has no single size of both to change"):
        resized(model, processor, image_size=32, patch_size=None)


def test_a_run_with_smaller_patches(base: Path, finetune: Finetune) -> None:
    out = finetune("--base", str(base), "--patch-size", "4", "--mode", "full", "--epochs", "2")
    assert json.loads((out / "config.json").read_text())["patch_size"] == 4
    assert json.loads((out / "finetune.json").read_text())["test_accuracy"] >= 0.95
