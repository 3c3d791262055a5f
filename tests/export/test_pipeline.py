"""Whole exports of every family, against eager PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from tests.export.checkpoints import LABELS, MAKERS, save, vit
from tests.export.fused import assert_fused
from tests.export.inside import assert_inside, watched
from vitscope.bundle import FULL, Bundle, BundleError, BundleWriter, GraphName, LogitBars, open_bundle
from vitscope.export.certificate.engines import candidates
from vitscope.export.certificate.images import find_images, read_image
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.checkpoint.preprocess import Size, fit_to
from vitscope.export.errors import ExportError
from vitscope.export.pipeline import Export, ExportJob, export_checkpoint
from vitscope.export.progress import Silent

FAMILIES = list(MAKERS)
# (prefix tokens, grid rows and columns, pooling) of the checkpoints in checkpoints.py
GEOMETRY = {
    "vit": (1, 4, "cls"),
    "deit": (2, 4, "cls"),
    "deit-distilled": (2, 4, "cls+distillation"),
    "dinov2": (1, 3, "cls+mean"),
    "dinov2-with-registers": (5, 3, "cls+mean"),
}
EVIDENCE = {"vit", "deit-distilled", "dinov2-with-registers"}  # exported with that graph too: see conftest.py


# The projection of the heads' outputs, as transformers calls it.
_AFTER_ATTENTION = ("attention.output.dense", "attention.o_proj")


def eager(folder: Path, files: list[Path], size: Size | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (pixels, logits, rows) from plain transformers. Only the image preparation is that of the export."""
    checkpoint = load_checkpoint(str(folder))
    kind = type(checkpoint.model)
    model = kind.from_pretrained(folder, attn_implementation="eager").eval()
    processor = fit_to(checkpoint.processor, size) if size else checkpoint.processor
    pixels, tensors = zip(*(prepare(processor, read_image(path)) for path in files), strict=True)
    options = {"interpolate_pos_encoding": True} if size and checkpoint.family.name in ("vit", "deit") else {}
    with torch.inference_mode():
        out = model(torch.stack(tensors), output_attentions=True, **options)
    return np.stack(pixels), out.logits.numpy(), torch.stack([a[:, :, 0] for a in out.attentions], 1).numpy()


def check(bundle: Bundle, pixels: np.ndarray, logits: np.ndarray, rows: np.ndarray) -> None:
    """Compare both graphs in both float32 engines with eager PyTorch, at batch 1 and all."""
    for candidate in candidates():
        if candidate.precision != "f32":
            continue
        for name, expected in (("classify", rows[:, -1]), ("attention", rows)):
            run = candidate.load(bundle.graph_path(name))
            for batch in (1, len(pixels)):
                outputs = run(pixels[:batch])
                found = np.concatenate([outputs["attention_prefix"], outputs["attention"]], -1)
                np.testing.assert_allclose(outputs["logits"], logits[:batch], atol=1e-4)
                np.testing.assert_allclose(found, expected[:batch], atol=1e-5)
                np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
                shapes = {o.name: (batch, *o.shape[1:]) for o in bundle.manifest.graphs[name].outputs}
                assert {key: value.shape for key, value in outputs.items()} == shapes


@pytest.mark.parametrize("family", FAMILIES)
def test_graphs_give_what_eager_pytorch_gives(
    family: str, bundles: dict[str, Bundle], checkpoints: dict[str, Path], photos: Path
) -> None:
    files = list(find_images(photos, photos).files[::2])
    pixels, logits, rows = eager(checkpoints[family], files)
    assert len(set(logits.argmax(-1))) > 1, "a model with a constant answer proves nothing"
    assert np.ptp(rows, axis=-1).mean() > 0.05, "uniform attention proves nothing"
    check(bundles[family], pixels, logits, rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_full_graph_gives_what_is_inside_of_the_model(
    family: str, bundles: dict[str, Bundle], checkpoints: dict[str, Path], photos: Path
) -> None:
    files = find_images(photos, photos).files[::8]
    checkpoint, tokens = load_checkpoint(str(checkpoints[family])), bundles[family].manifest.tokens
    pixels, tensors = zip(*(prepare(checkpoint.processor, read_image(path)) for path in files), strict=True)
    model, read = checkpoint.model, list[torch.Tensor]()
    # What the first projection after attention reads is matrix @ values, head by head.
    (first, *_) = [module for name, module in model.named_modules() if name.endswith(_AFTER_ATTENTION)]
    hook = first.register_forward_pre_hook(lambda _module, given: read.append(given[0]))
    options = checkpoint.family.options(model, Size(*tensors[0].shape[1:]))
    matrices, forward = watched(model, checkpoint.family, tokens, torch.stack(tensors), options)
    hook.remove()
    for candidate in (candidate for candidate in candidates() if candidate.precision == "f32"):
        outputs = candidate.load(bundles[family].graph_path(FULL))(np.stack(pixels))
        assert_inside(outputs, matrices, forward)
        heads = (outputs["matrices"] @ outputs["values"])[:, 0].swapaxes(1, 2)
        np.testing.assert_allclose(heads.reshape(read[0].shape), read[0], atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_manifest_and_certificate(family: str, bundles: dict[str, Bundle], checkpoints: dict[str, Path]) -> None:
    manifest, certificate = bundles[family].manifest, bundles[family].certificate
    prefix, side, pooling = GEOMETRY[family]
    assert (manifest.family, manifest.labels) == (family, LABELS)
    tokens = manifest.tokens
    assert (tokens.prefix, tokens.grid_rows, tokens.grid_cols, tokens.pooling) == (prefix, side, side, pooling)
    assert (manifest.layers, manifest.heads, manifest.width) == (2, 2, 32)
    assert "attention" in manifest.methods
    assert manifest.provenance.source == checkpoints[family].name
    for engine in ("onnxruntime", "openvino"):
        entry = certificate.entry(engine, "f32")
        assert entry is not None and entry.passed and entry.images == 24
        assert entry.max_logit_error is not None and 0 < entry.max_logit_error < 1e-4
        cosines = entry.cosines["attention"]
        assert (cosines.lowest, cosines.mean) == (entry.min_attention_cosine, entry.mean_attention_cosine)
        if family in EVIDENCE:
            assert entry.evidence is not None and entry.evidence.images == 16
            assert max(entry.evidence.gradient_error, entry.evidence.integrated_error) < 1e-4
            assert entry.evidence.completeness_error < 1e-3 and entry.cosines["evidence"].lowest > 0.9999
    assert (certificate.evidence_sanity is not None) == (family in EVIDENCE)
    assert (certificate.entry("openvino", "bf16") is None) == ("openvino/bf16" in certificate.not_measured)


@pytest.mark.parametrize("family", FAMILIES)
def test_graphs_share_one_copy_of_the_weights(
    family: str, bundles: dict[str, Bundle], checkpoints: dict[str, Path]
) -> None:
    folder = bundles[family].path / "graphs"
    graphs = [f"{name}.onnx" for name in sorted(bundles[family].manifest.graphs)]
    assert sorted(p.name for p in folder.iterdir()) == [*graphs, "weights.bin"]
    assert ("evidence.onnx" in graphs) == (family in EVIDENCE)
    assert {"attention.onnx", "full.onnx"} <= set(graphs)
    large = sum(
        -(-p.nelement() * 4 // 4096) * 4096
        for p in load_checkpoint(str(checkpoints[family])).model.state_dict().values()
        if p.nelement() * 4 >= 4096
    )
    assert (folder / "weights.bin").stat().st_size <= large


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("graph", ["classify", "attention"])
def test_attention_stays_fused(family: str, graph: GraphName, bundles: dict[str, Bundle]) -> None:
    assert_fused(bundles[family].graph_path(graph), bundles[family].manifest.layers)


def test_another_size_is_interpolated_once(checkpoints: dict[str, Path], photos: Path, tmp_path: Path) -> None:
    size = Size(3 * 8, 5 * 8)
    job = ExportJob(
        str(checkpoints["deit"]),
        tmp_path,
        "wide",
        calibration=photos,
        size=size,
        allow_uncertified=True,
        evidence=False,
    )
    bundle, _ = export_checkpoint(job)
    assert (bundle.manifest.tokens.grid_rows, bundle.manifest.tokens.grid_cols) == (3, 5)
    assert (bundle.manifest.input.height, bundle.manifest.input.width) == (size.height, size.width)
    check(bundle, *eager(checkpoints["deit"], list(find_images(photos, photos).files[::2]), size))


def test_without_attention_and_certificate(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    left_out = {"attention": False, "evidence": False, "full": False}
    job = ExportJob(str(checkpoints["vit"]), tmp_path, "plain", certificate=False, **left_out)
    bundle, images = export_checkpoint(job)
    assert images is None and not bundle.certificate.entries
    assert list(bundle.manifest.graphs) == ["classify"] and not bundle.manifest.has_attention
    assert bundle.manifest.methods == ()
    outputs = candidates()[0].load(bundle.graph_path("classify"))(np.zeros((3, 32, 32, 3), np.uint8))
    assert not {"attention", "attention_prefix"} & outputs.keys() and outputs["logits"].shape == (3, 5)


def test_a_graph_that_a_server_could_hardly_hold_is_left_out(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export() -> Export:
        job = ExportJob(str(checkpoints["vit"]), tmp_path, "large", certificate=False)
        with BundleWriter(tmp_path, "large", None) as writer:
            return Export(job, load_checkpoint(str(checkpoints["vit"])), writer, Silent())

    fits = export()
    assert "full" in fits.graphs and not list(fits._full_note())
    monkeypatch.setattr("vitscope.export.pipeline.LARGEST_FULL", fits.too_large - 1)
    too_large = export()
    assert "full" not in too_large.graphs and "rollout" in too_large.not_offered
    (note,) = too_large._full_note()
    assert note.startswith("no graph of everything inside of the encoder: for one image it would give ")


def test_a_method_that_the_images_show_to_be_inexact_is_left_out_with_its_reason(
    checkpoints: dict[str, Path], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitscope.export.certificate.evidence.SHARE_BAR", 1e-12)
    job = ExportJob(
        str(checkpoints["vit"]),
        tmp_path,
        "vit",
        calibration=photos,
        allow_uncertified=True,
        attention=False,
        full=False,
    )
    bundle, _ = export_checkpoint(job)
    assert bundle.manifest.methods == () and list(bundle.manifest.graphs) == ["classify"]
    reason = bundle.manifest.not_offered["evidence"]
    assert reason.startswith("its integrated shares of patches are known to ") and "at most 1e-12 is accepted" in reason
    assert bundle.certificate.faithfulness is None and bundle.certificate.evidence_sanity is None


def test_a_version_is_never_overwritten(bundles: dict[str, Bundle], checkpoints: dict[str, Path], photos: Path) -> None:
    models = bundles["vit"].path.parents[1]
    before = (bundles["vit"].path / "manifest.json").read_bytes()
    with pytest.raises(BundleError, match="exists already"):
        export_checkpoint(ExportJob(str(checkpoints["vit"]), models, "vit", version=1, calibration=photos))
    assert (bundles["vit"].path / "manifest.json").read_bytes() == before


@pytest.fixture(scope="module")
def sharp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose attention scores are far too large for bfloat16, but accurate in float32."""
    folder = save(tmp_path_factory.mktemp("sharp"), vit())
    model = transformers.ViTForImageClassification.from_pretrained(folder)
    with torch.no_grad():
        for layer in model.vit.layers:
            layer.attention.q_proj.weight *= 30
    model.save_pretrained(folder)
    return folder


@pytest.mark.skipif(
    any(c.missing for c in candidates()), reason="this processor has no bfloat16, so there is nothing to miss the bar"
)
def test_bf16_below_its_bar_publishes_nothing_unless_allowed(sharp: Path, photos: Path, tmp_path: Path) -> None:
    job = ExportJob(str(sharp), tmp_path / "models", "sharp", calibration=photos, evidence=False)
    with pytest.raises(ExportError, match=r"openvino bf16: .*accepted.*--allow-uncertified"):
        export_checkpoint(job)
    assert not job.models.exists()
    bundle, _ = export_checkpoint(ExportJob(**{**job.__dict__, "allow_uncertified": True}))
    entry = bundle.certificate.entry("openvino", "bf16")
    assert entry is not None and not entry.passed and entry.shortfalls
    assert open_bundle(bundle.path).certificate == bundle.certificate


def test_float32_below_its_bar_always_fails(
    checkpoints: dict[str, Path], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitscope.bundle.parity.ABSOLUTE", 1e-12)
    monkeypatch.setattr("vitscope.bundle.parity.ROUNDING", 1e-12)
    exact = LogitBars(agreement=1, worst=1e-12)
    monkeypatch.setattr("vitscope.export.certificate.differences.logit_bars", lambda precision, activation: exact)
    job = ExportJob(
        str(checkpoints["vit"]),
        tmp_path / "models",
        "vit",
        calibration=photos,
        attention=False,
        evidence=False,
        allow_uncertified=True,
    )
    with pytest.raises(ExportError, match=r"onnxruntime f32: logits differ by up to .*openvino f32"):
        export_checkpoint(job)
    assert not job.models.exists()


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (Size(30, 32), "--size 30x32: not a multiple of the patch of 8x8; accepted nearest to it: 24x32 and 32x32"),
        (Size(5, 5), "accepted nearest to it: 8x8"),
        (Size(4096, 4096), "input size 4096x4096: 262,144 patches of 8x8; accepted: up to 65,536"),
        (Size(99_992, 8), "a side of 99,992 pixels"),
    ],
)
def test_a_size_that_cannot_be_is_refused(
    checkpoints: dict[str, Path], tmp_path: Path, size: Size, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        export_checkpoint(ExportJob(str(checkpoints["vit"]), tmp_path / "models", "x", size=size, certificate=False))
    assert not (tmp_path / "models").exists()
