"""The forms that configurations switch on and off within a family: as traced, against the model as loaded."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.export.checkpoints import save
from tests.export.families.makers import FORMS, MAKERS, plain, swin
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import fit_to, input_contract
from vitscope.export.errors import ExportError
from vitscope.export.families import family_of
from vitscope.export.graph import PixelClassifier, describe_graphs
from vitscope.export.methods import METHODS, Subject
from vitscope.export.size import Size

SIZES = {
    "vit-msn": Size(40, 24), "ijepa": Size(40, 24), "beit": Size(40, 24), "beit absolute": Size(40, 24),
    "data2vec-vision": Size(40, 24), "clip": Size(40, 24), "metaclip-2": Size(24, 24), "siglip": Size(24, 40),
    "swin": Size(40, 48), "swin absolute": Size(48, 40), "swinv2": Size(40, 32), "hiera": Size(32, 48),
    "hiera unpooled": Size(48, 32),
}  # fmt: skip
CASES = [(name, None) for name in {**MAKERS, **FORMS}] + list(SIZES.items())


@pytest.mark.parametrize(("name", "size"), CASES, ids=str)
def test_the_traced_module_gives_what_the_model_gives(name: str, size: Size | None, tmp_path: Path) -> None:
    """Attention is replaced and the input size fixed; neither may change an answer."""
    checkpoint = load_checkpoint(str(save(tmp_path, {**MAKERS, **FORMS}[name]())))
    model, family = checkpoint.model, checkpoint.family
    size = size or family.native_size(model)
    prepared = fit_to(checkpoint.processor, size)
    tokens = token_geometry(model, family, size)
    pixels = np.random.default_rng(0).integers(0, 256, (3, size.height, size.width, 3), np.uint8)
    methods = [method for method in METHODS if not method.why_not(Subject(model, family, tokens))]
    graphs = describe_graphs(family.sizes(model), 5, tokens, methods)
    with torch.inference_mode():
        normalised = prepared(list(pixels), return_tensors="pt")["pixel_values"]
        expected = family.logits(model, normalised, family.options(model, size))
        family.freeze(model, size)
        module = PixelClassifier(model, family, input_contract(prepared), tokens, methods)
        logits, *added = module(torch.from_numpy(pixels), torch.tensor([[-1, 4], [0, -2], [3, -1]]))
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=2e-5)
    described = [output for graph in graphs.values() for output in graph.outputs[1:]]
    sizes = {"N": 3, "K": 2}
    shapes = [tuple(sizes.get(str(side), side) for side in output.shape) for output in described]
    assert [tuple(tensor.shape) for tensor in added] == shapes
    outputs = {output.name: tensor for output, tensor in zip(described, added, strict=True)}
    if tokens.pooling == "mean":
        sums = outputs["cam"].sum(-1) + outputs["cam_rest"][:, 0]
        torch.testing.assert_close(sums, expected.max(-1).values, rtol=1e-5, atol=2e-5)
    target, *parts, _ = outputs["evidence_ledger"].unbind(-1)
    torch.testing.assert_close(outputs["evidence"].sum(-1) + sum(parts), target, rtol=0, atol=2e-3)
    torch.testing.assert_close(target, expected.log_softmax(-1).gather(1, outputs["evidence_class"]))


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("swin", Size(36, 32), "Swin merges patches into cells of 8x8, and pads the rest; accepted: multiples of it"),
        ("swin", Size(24, 32), "Swin's windows of 4 patches do not fit into its last stage; accepted: from 32x32"),
        ("hiera", Size(40, 32), "Hiera's mask units cover 16x16; accepted: multiples of it"),
    ],
)
def test_a_size_that_a_family_cannot_take_is_refused(name: str, size: Size, message: str) -> None:
    model, _ = MAKERS[name]()
    model.config.architectures = [type(model).__name__]
    with pytest.raises(ExportError, match=f"--size {size}: {message}"):
        token_geometry(model, family_of(model.config), size)


def test_a_beit_that_is_not_square_is_refused() -> None:
    model, _ = plain("Beit", image_size=[32, 48], use_relative_position_bias=True)
    model.config.architectures = [type(model).__name__]
    with pytest.raises(ExportError, match="BEiT takes square position tables only, and this one is for 32x48"):
        token_geometry(model, family_of(model.config), Size(32, 48))


def test_a_form_that_transformers_cannot_run_is_refused() -> None:
    model, _ = swin("Swinv2", use_absolute_embeddings=True)
    model.config.architectures = [type(model).__name__]
    with pytest.raises(ExportError, match="use_absolute_embeddings is true, which transformers cannot run"):
        family_of(model.config)


def test_the_resolution_of_naflex_checkpoints_is_not_fixed() -> None:
    model, _ = plain("ViTMSN")
    model.config.architectures = ["Siglip2ForImageClassification"]
    with pytest.raises(ExportError, match=r"any shape \(NaFlex\); accepted: SigLIP 2 of a fixed resolution"):
        family_of(model.config)
