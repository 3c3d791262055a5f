"""Exports with --int8: certificate, files, arithmetic, and refusal below the bar."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import openvino as ov
import pytest
import torch
import transformers

from tests.export.checkpoints import save, vit
from tests.export.summary import printed
from tests.export.variants.exports import export
from vitscope.bundle import INT8, Bundle, Certificate, GraphName
from vitscope.export.certificate.engines import candidates, core, int8_candidate
from vitscope.export.certificate.reference import Reference
from vitscope.export.progress import Silent
from vitscope.export.variants import Source, add_variant

pytestmark = pytest.mark.skipif(
    bool(int8_candidate(True).missing), reason="this processor has no 8-bit dot products, so int8 cannot be certified"
)
FILES = {"graphs/classify.int8.onnx", "graphs/attention.int8.onnx", "graphs/weights.int8.bin"}
GRAPHS: tuple[GraphName, ...] = ("classify", "attention")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, checkpoints: dict[str, Path], photos: Path) -> Bundle:
    return export(checkpoints["dinov2"], tmp_path_factory.mktemp("models"), photos, INT8)[0]


def test_int8_graphs_are_certified_and_named(bundle: Bundle) -> None:
    entry = bundle.certificate.entry("openvino", "int8")
    assert entry is not None and entry.passed and not entry.float_layers
    assert entry.max_logit_error is not None and entry.max_logit_error > 1e-3, "that is no 8-bit arithmetic"
    assert bundle.manifest.variants == {INT8} and bundle.manifest.files.keys() >= FILES
    assert "nncf" in bundle.manifest.provenance.tools


def test_weights_are_stored_once_and_in_8_bits(bundle: Bundle) -> None:
    stored = 0
    for name in GRAPHS:
        tensors = onnx.load(bundle.graph_path(name, INT8), load_external_data=False).graph.initializer
        linear = [t for t in tensors if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 2]
        assert len(linear) == 12
        stored = max(stored, sum(int(np.prod(t.dims)) for t in linear))
    sizes = {name: (bundle.path / "graphs" / name).stat().st_size for name in ("weights.bin", "weights.int8.bin")}
    assert sizes["weights.int8.bin"] < sizes["weights.bin"]
    assert stored == 2 * (4 * 32 * 32 + 2 * 32 * 64)


@pytest.mark.parametrize("graph", GRAPHS)
def test_it_runs_in_8_bits_with_attention_fused(graph: GraphName, bundle: Bundle) -> None:
    options = {ov.properties.hint.inference_precision: ov.Type.f32}
    compiled = core().compile_model(bundle.graph_path(graph, INT8), "CPU", options)
    infos = [op.get_rt_info() for op in compiled.get_runtime_model().get_ops()]
    kinds = Counter((i["layerType"].astype(str), i["runtimePrecision"].astype(str)) for i in infos)
    assert kinds["FullyConnected", "i8"] + kinds["FullyConnected", "u8"] == 12
    softmaxes = sum(count for (kind, _), count in kinds.items() if kind == "Softmax")
    assert softmaxes == (1 if graph == "classify" else bundle.manifest.layers)


@pytest.mark.parametrize("graph", GRAPHS)
def test_two_engines_compute_the_same(graph: GraphName, bundle: Bundle) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 42, 42, 3), np.uint8)
    path = bundle.graph_path(graph, INT8)
    openvino, onnxruntime = (engine.load(path)(pixels) for engine in (int8_candidate(False), candidates()[0]))
    for name, value in onnxruntime.items():
        # The two may round half-way cases differently.
        assert np.linalg.norm(openvino[name] - value) < 0.03 * np.linalg.norm(value)


@pytest.fixture(scope="module")
def outliers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with huge activations in one MLP, which leave no resolution for the others in 8 bits."""
    folder = save(tmp_path_factory.mktemp("outliers"), vit())
    model = transformers.ViTForImageClassification.from_pretrained(folder)
    with torch.no_grad():
        model.vit.layers[1].mlp.fc1.bias[:8] = 3000
        model.vit.layers[1].mlp.fc2.weight[:, :8] *= 1e-3
    model.save_pretrained(folder)
    return folder


def test_the_layers_that_hurt_stay_in_floating_point(outliers: Path, photos: Path, tmp_path: Path) -> None:
    bundle, images, warnings = export(outliers, tmp_path, photos, INT8)
    entry = bundle.certificate.entry("openvino", "int8")
    assert entry is not None and entry.passed and entry.float_layers == ("block 1 mlp",)
    assert images is not None and "the same 24 images" in warnings
    assert "Not in 8 bits, because it hurt most there: block 1 mlp." in printed(bundle, photos)


def test_int8_below_the_bar_is_left_out_with_the_reason(
    outliers: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitscope.export.variants.search.LARGEST_FLOAT_SHARE", 0)
    bundle, _, warnings = export(outliers, tmp_path, photos, INT8)
    entry = bundle.certificate.entry("openvino", "int8")
    assert entry is not None and "top-1 agrees on" in "".join(entry.shortfalls)
    assert "--int8: refused, the bundle is published without int8 graphs: top-1 agrees on" in warnings
    assert not bundle.manifest.variants and not bundle.manifest.files.keys() & FILES
    assert "The bundle has no int8 graphs." in printed(bundle, photos)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("vitscope.export.variants.int8.LARGEST", 10_000, "float32 weights take"),
        ("vitscope.export.certificate.engines.DOT_PRODUCTS", frozenset(), "no 8-bit dot products"),
    ],
)
def test_what_cannot_be_made_or_measured_here_is_recorded(
    setting: str, value: object, message: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setting, value)
    traced = ir.load(bundle.graph_path("classify"))
    pixels = np.zeros((8, 42, 42, 3), np.uint8)
    source = Source(traced, bundle.manifest.graphs, tmp_path, pixels)
    reference = Reference(pixels, np.zeros((8, 5), np.float32), {})
    certificate, reason = add_variant(INT8, Certificate(), source, reference, Silent())
    assert not certificate.entries and not any(tmp_path.iterdir())
    assert message in reason and certificate.not_measured == {"openvino/int8": reason}
