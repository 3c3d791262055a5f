"""Exported graphs of timm's Vision Transformers against timm itself, in each engine of this machine."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from tests.export.fused import assert_fused
from tests.export.inside import assert_inside, watched
from tests.timm.checkpoints import LABELS, MODELS, SHAPE, save
from vitscope.bundle import CLASSIFY, FULL, InputContract, Manifest
from vitscope.bundle.embedding import patch_embedding
from vitscope.export.certificate.engines import core
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.explain import explain_arrays, position_kinds
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import input_contract, output_size
from vitscope.export.errors import ExportError
from vitscope.export.graph import PixelClassifier, cut, describe_graphs, trace
from vitscope.export.graph.weights import write_graphs
from vitscope.export.job import ExportJob
from vitscope.export.methods import METHODS, Subject
from vitscope.export.pipeline import export_checkpoint
from vitscope.export.size import Size

# Of the same operators as others of the list; the next test has them in PyTorch.
ALIKE = {
    "FlexiViT", "MAE, mean of patches", "SO150M, registers with positions", "registers, pooling probe without them",
    "DINOv2, registers", "BEiT v2, class token",
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.whole) if kind in ALIKE else kind for kind in MODELS]
)
def test_graphs_equal_timm(kind: str, tmp_path: Path) -> None:
    name, arguments = MODELS[kind]
    checkpoint = load_checkpoint(str(save(tmp_path / "checkpoint", name, **arguments)))
    model, family, size = checkpoint.model, checkpoint.family, output_size(checkpoint.processor)
    tokens, contract = family.geometry(model, size), input_contract(checkpoint.processor)
    pixels = np.random.default_rng(0).integers(0, 256, (3, size.height, size.width, 3), dtype=np.uint8)
    mean, std = np.array(contract.mean), np.array(contract.std)
    with torch.inference_mode():
        normalised = torch.tensor((pixels / 255 - mean) / std, dtype=torch.float32).permute(0, 3, 1, 2)
        expected = model.timm_model(normalised).numpy()
    methods = [method for method in METHODS if not method.why_not(Subject(model, family, tokens))]
    graphs = describe_graphs(family.sizes(model), len(LABELS), tokens, methods)
    family.freeze(model, size)
    traced = trace(PixelClassifier(model, family, contract, tokens, methods), contract, graphs)
    paths = {graph: tmp_path / entry.file for graph, entry in graphs.items()}
    write_graphs({paths[graph]: part for graph, part in cut(traced, graphs).items()}, "weights.bin")
    full = onnxruntime.InferenceSession(paths[FULL])
    names = [output.name for output in full.get_outputs()]
    inside = dict(zip(names, full.run(names, {"pixels": pixels}), strict=True))
    assert_inside(inside, *watched(model, family, tokens, normalised))
    for path in (path for name, path in paths.items() if name != "evidence"):
        session = onnxruntime.InferenceSession(path)
        for batch in (1, 3):
            np.testing.assert_allclose(
                session.run(["logits"], {"pixels": pixels[:batch]})[0], expected[:batch], atol=2e-5 * expected.std()
            )
        compiled = core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        np.testing.assert_allclose(compiled(pixels)["logits"], expected, atol=2e-5 * expected.std())
        if path != paths[FULL]:
            assert_fused(path, family.sizes(model).layers + (tokens.pooling == "attention"))
    rows = _rows(onnxruntime.InferenceSession(paths[CLASSIFY]), pixels)
    assert rows.shape[-1] == tokens.prefix + tokens.patches
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-4)


SIZE = Size(24, 40)


@pytest.mark.filterwarnings("ignore::UserWarning")  # in timm, of its indices
@pytest.mark.parametrize("kind", [kind for kind in MODELS if not re.search("relpos|so400m", MODELS[kind][0])])
def test_another_size_is_what_timm_builds_at_that_size(kind: str, tmp_path: Path) -> None:
    """Position tables, RoPE and relative positions, against a model that loads the weights for the other size."""
    import timm

    name, arguments = MODELS[kind]
    checkpoint = load_checkpoint(str(save(tmp_path, name, **arguments)))
    model, family = checkpoint.model, checkpoint.family
    given = {**SHAPE, **arguments, "img_size": (SIZE.height, SIZE.width)}
    built = timm.create_model(name, num_classes=len(LABELS), **given).eval()
    adapt = sys.modules[type(built).__module__].checkpoint_filter_fn
    # Tables of fixed numbers are those of the size.
    state = adapt({key: tensor.clone() for key, tensor in model.timm_model.state_dict().items()}, built)
    own = {key for key, _ in built.named_parameters()}
    built.load_state_dict({key: tensor for key, tensor in state.items() if key in own}, strict=False)
    tokens = token_geometry(model, family, SIZE)
    family.resize(model, SIZE)
    family.freeze(model, SIZE)
    assert (tokens.grid_rows, tokens.grid_cols) == (3, 5)
    contract = InputContract(
        height=SIZE.height, width=SIZE.width, resize={"mode": "squash", "height": 24, "width": 40,
        "interpolation": "bicubic"}, mean=(0.5,) * 3, std=(0.5,) * 3,
    )  # fmt: skip
    methods = [method for method in METHODS if not method.why_not(Subject(model, family, tokens))]
    pixels = torch.randint(0, 256, (3, 24, 40, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with torch.inference_mode():
        expected = built((pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5)
        asked = [torch.full((len(pixels), 1), -1) for method in methods for _ in method.inputs()]
        found = PixelClassifier(model, family, contract, tokens, methods)(pixels, *asked)[0]
    np.testing.assert_allclose(found, expected, atol=2e-5 * float(expected.std()))


def _rows(session: onnxruntime.InferenceSession, pixels: np.ndarray) -> np.ndarray:
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(None, {"pixels": pixels}), strict=True))
    return np.concatenate(
        [outputs[name] for name in ("attention_prefix", "attention") if name in outputs], axis=-1, dtype=np.float32
    )


def test_a_checkpoint_is_exported_certified_and_described(photos: Path, tmp_path: Path) -> None:
    folder = save(tmp_path / "checkpoint", "vit_small_patch16_dinov3")
    bundle, _ = export_checkpoint(
        ExportJob(
            checkpoint=str(folder), models=tmp_path / "models", name="dinov3", calibration=photos, size=Size(48, 48)
        )
    )
    manifest: Manifest = bundle.manifest
    assert manifest.family == "timm-vit" and manifest.labels == LABELS
    assert (manifest.tokens.register_tokens, manifest.tokens.pooling) == (4, "mean")
    assert manifest.input.crop_offset == "half_even"
    assert (manifest.input.height, manifest.tokens.grid_rows) == (48, 6)
    assert all(entry.passed for entry in bundle.certificate.entries if entry.precision == "f32")


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("swin_tiny_patch4_window7_224", {}, "SwinTransformer"),
        ("convnext_atto", {}, "ConvNeXt"),
        ("samvit_base_patch16_224", {}, "VisionTransformerSAM"),
        ("vit_small_patch16_18x2_224", {"depth": 2}, "ParallelThingsBlock"),
        ("cait_xxs24_224", {"depth": 2}, "LayerScaleBlock"),
        ("vit_small_r26_s32_224", {"depth": 2}, "first layer"),
        ("vit_tiny_patch16_224", {"depth": 2, "global_pool": "max"}, "'max'"),
        ("vit_tiny_patch16_224", {"depth": 2, "num_classes": 0}, "no labels"),
        ("vit_tiny_patch16_224", {"depth": 2, "in_chans": 1}, "1 channels; accepted: 3"),
        (
            "vit_tiny_patch16_224",
            {"depth": 2, "global_pool": "avg", "pool_include_prefix": True},
            "pool_include_prefix",
        ),
        ("vit_tiny_patch16_224", {"depth": 2, "dynamic_img_pad": True, "img_size": 200}, "200x200 .* patch of 16x16"),
        ("naflexvit_base_patch16_gap", {}, "NaFlexVit"),
    ],
)
def test_what_cannot_be_exported_is_refused_by_name(
    name: str, arguments: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    config = {"architecture": name, "num_classes": arguments.pop("num_classes", 5), "model_args": arguments}
    (tmp_path / "config.json").write_text(json.dumps({**config, "label_names": list(LABELS), "pretrained_cfg": {}}))
    (tmp_path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(ExportError, match=reason) as error:
        load_checkpoint(str(tmp_path))
    assert "\n" not in str(error.value)


POSITIONS = {
    "ViT": ("table",),
    "registers, mean, no class token": ("table",),
    "EVA-02, RoPE, SwiGLU": ("table", "rope"),
    "DINOv3, RoPE, registers": ("rope",),
    "RoPE of each block": ("rope",),
    "BEiT, relative positions": ("relative",),
    "relative positions, no class token": ("relative",),
}


@pytest.mark.parametrize("kind", list(POSITIONS))
def test_positions_and_patches_of_explain_npz(kind: str, tmp_path: Path) -> None:
    name, arguments = MODELS[kind]
    checkpoint = load_checkpoint(str(save(tmp_path, name, **arguments)))
    model, family, size = checkpoint.model, checkpoint.family, output_size(checkpoint.processor)
    arrays = explain_arrays(model, family)
    kinds = position_kinds(arrays)
    tokens = family.geometry(model, size)
    embedding = patch_embedding(arrays, input_contract(checkpoint.processor), tokens, kinds)
    if name == "vit_small_patch16_rope_mixed_224":
        kinds = tuple(one for one in kinds if one != "table")
    assert kinds == POSITIONS[kind]
    pixels = np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = model.timm_model.patch_embed.proj(torch.from_numpy(embedding.normalised(pixels))[None])[0].numpy()
    np.testing.assert_allclose(embedding.embed(pixels, 1, 2), expected[:, 1, 2], atol=1e-4)
    if embedding.rope is not None:
        assert len(embedding.rope) == tokens.patches
        sines, cosines = np.split(embedding.rope, 2, axis=1)
        np.testing.assert_allclose(sines**2 + cosines**2, 1, atol=1e-5)
    if embedding.relative_bias is not None:
        assert embedding.relative_bias.shape == (3, 2 * tokens.grid_rows - 1, 2 * tokens.grid_cols - 1)
