"""Whole exports of every further family, against eager PyTorch in transformers' own code."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.export.checkpoints import LABELS, save
from tests.export.families.makers import FORMS, MAKERS
from tests.export.fused import assert_fused
from vitscope.bundle import CLASSIFY, EVIDENCE, Bundle
from vitscope.export.certificate.engines import candidates
from vitscope.export.certificate.images import find_images, read_image
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.checkpoint.preprocess import fit_to
from vitscope.export.pipeline import ExportJob, export_checkpoint
from vitscope.export.size import Size

# (class tokens, cells, pooling, whose attention) of the checkpoints in makers.py
GEOMETRY: dict[str, tuple[int, int, str, str | None]] = {
    "vit-msn": (1, 4, "cls", "class_token"),
    "ijepa": (0, 4, "mean", "mean_of_patches"),
    "beit": (1, 4, "mean", "class_token"),
    "data2vec-vision": (1, 4, "mean", "class_token"),
    "clip": (1, 4, "mean", "class_token"),
    "metaclip-2": (1, 4, "mean", "class_token"),
    "siglip": (0, 4, "mean", "mean_of_patches"),
    "swin": (0, 4, "mean", None),
    "swinv2": (0, 4, "mean", None),
    "hiera": (0, 4, "mean", None),
}
# Forms whose graphs differ most from those of their family; test_forms.py has the others, in PyTorch.
ALL = {**MAKERS, **{name: FORMS[name] for name in ("beit shared", "swin padded")}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that exports a checkpoint, once."""
    folder, done = tmp_path_factory.mktemp("families"), dict[str, tuple[Path, Bundle]]()

    def export(name: str) -> tuple[Path, Bundle]:
        if name not in done:
            place = folder / name.replace(" ", "-")
            source = save(place / "checkpoint", ALL[name]())
            job = ExportJob(str(source), place / "models", "x", certificate=False, evidence=name in ("beit", "swin"))
            done[name] = source, export_checkpoint(job)[0]
        return done[name]

    return export


def eager(source: Path, photos: Path, size: Size | None = None) -> tuple[np.ndarray, Any, Any]:
    """Return pixels, the model, and what it answers with eager attention, at three images."""
    checkpoint = load_checkpoint(str(source))
    model = type(checkpoint.model).from_pretrained(source, attn_implementation="eager").eval()
    processor = fit_to(checkpoint.processor, size) if size else checkpoint.processor
    files = find_images(photos, photos).files[::8][:3]
    pixels, tensors = zip(*(prepare(processor, read_image(path)) for path in files), strict=True)
    images = torch.stack(tensors)
    options = checkpoint.family.options(model, Size(*images.shape[2:]))
    with torch.inference_mode():
        return np.stack(pixels), model, model(images, output_attentions=True, **options)


def check(bundle: Bundle, pixels: np.ndarray, out: Any) -> None:
    """Compare all graphs in both float32 engines with eager PyTorch, at batch 1 and 3."""
    tokens = bundle.manifest.tokens
    rows = None
    if tokens.attention_from == "class_token":
        rows = torch.stack([matrix[:, :, 0] for matrix in out.attentions], dim=1).numpy()
    elif tokens.attention_from:
        rows = out.attentions[-1][:, :, tokens.prefix :].mean(dim=2)[:, None].numpy()
    assert rows is None or np.ptp(rows, axis=-1).mean() > 0.02, "uniform attention proves nothing"
    for candidate in (candidate for candidate in candidates() if candidate.precision == "f32"):
        for name, graph in bundle.manifest.graphs.items():
            run = candidate.load(bundle.graph_path(name))
            for batch in (1, len(pixels)):
                asked = {one.name: np.tile([[-1, 2]], (batch, 1)) for one in graph.inputs}
                outputs = run(pixels[:batch], **asked)
                sizes = {"N": batch, "K": 2}
                assert {key: value.shape for key, value in outputs.items()} == {
                    output.name: tuple(sizes.get(str(side), side) for side in output.shape) for output in graph.outputs
                }
                logits = out.logits[:batch].numpy()
                np.testing.assert_allclose(outputs["logits"], logits, atol=1e-4)
                if rows is not None and name != EVIDENCE:
                    parts = [outputs[part] for part in ("attention_prefix", "attention") if part in outputs]
                    found = np.concatenate(parts, axis=-1)
                    np.testing.assert_allclose(found, (rows[:, -1] if name == CLASSIFY else rows)[:batch], atol=1e-5)
                if name == EVIDENCE:
                    ledger = outputs["evidence_ledger"]
                    total = ledger[..., 1:4].sum(-1) + outputs["evidence"].sum(-1)
                    np.testing.assert_allclose(total, ledger[..., 0], atol=1e-3)
                if "cam" in outputs:
                    total = outputs["cam"].sum(-1) + outputs["cam_rest"][:, 0]
                    np.testing.assert_allclose(total, logits.max(-1), atol=1e-4)


@pytest.mark.parametrize("name", list(ALL))
def test_graphs_give_what_eager_pytorch_gives(name: str, made: Any, photos: Path) -> None:
    source, bundle = made(name)
    assert bundle.manifest.labels == LABELS
    pixels, _, out = eager(source, photos)
    check(bundle, pixels, out)


@pytest.mark.parametrize("name", list(MAKERS))
def test_the_manifest_says_what_the_head_pools(name: str, made: Any) -> None:
    manifest = made(name)[1].manifest
    tokens, (cls_tokens, side, pooling, source) = manifest.tokens, GEOMETRY[name]
    assert manifest.family == name
    assert (tokens.cls_tokens, tokens.grid_rows, tokens.grid_cols) == (cls_tokens, side, side)
    assert (tokens.pooling, tokens.attention_from) == (pooling, source)
    has_it = {"attention": source, "cam": pooling == "mean", "evidence": name in ("beit", "swin")}
    expected = [method for method, has in has_it.items() if has]
    assert list(manifest.methods) == expected
    assert ("attention" in manifest.graphs) == (source == "class_token")


@pytest.mark.parametrize("name", list(ALL))
def test_attention_stays_fused(name: str, made: Any) -> None:
    bundle = made(name)[1]
    for graph in bundle.manifest.graphs:
        assert_fused(bundle.graph_path(graph), bundle.manifest.layers)
