"""Exports with --fp8: certificate, files, arithmetic, and refusal below the bar."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
import transformers

from tests.export.checkpoints import dinov2, save, vit
from tests.export.summary import printed
from tests.export.variants.exports import export
from vitscope.bundle import FP8, INT8, Bundle, GraphName, open_bundle
from vitscope.export.certificate.engines import candidates, int8_candidate
from vitscope.export.errors import ExportError
from vitscope.export.graph.lint import lint
from vitscope.server.engines.choose import Wanted, choose

GRAPHS: tuple[GraphName, ...] = ("classify", "attention")
FILES = {"graphs/classify.fp8.onnx", "graphs/attention.fp8.onnx", "graphs/weights.fp8.bin"}
# DeiT has one token more than ViT, which none of this is about; test_fp8.py quantizes it.
FAMILIES = {"vit": vit, "dinov2": dinov2}


def calm(folder: Path, made: tuple[Any, Any]) -> Path:
    """Save a checkpoint with small weights in its blocks: random ones give no margins between classes for E4M3."""
    save(folder, made)
    model, _ = made
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and ".layer" in name:
                parameter *= 0.5
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=FAMILIES)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Bundle:
    folder = tmp_path_factory.mktemp("fp8")
    return export(calm(folder / "checkpoint", FAMILIES[request.param]()), folder / "models", photos, FP8)[0]


def test_fp8_graphs_are_certified_and_named(bundle: Bundle) -> None:
    entry = bundle.certificate.entry("onnxruntime", "fp8")
    assert entry is not None and entry.passed and entry.non_finite == 0
    assert entry.max_logit_error is not None and entry.max_logit_error > 1e-3, "that is no 8-bit arithmetic"
    assert not any(e.engine == "tensorrt" for e in bundle.certificate.entries), "nothing ran on a GPU"
    opened = open_bundle(bundle.path)
    assert opened.manifest.variants == {FP8} and opened.manifest.files.keys() >= FILES


def blocks_in_fp8(bundle: Bundle) -> int:
    entry = bundle.certificate.entry("onnxruntime", "fp8")
    assert entry is not None
    return bundle.manifest.layers - len(entry.float_layers)


def test_weights_are_stored_once_and_in_8_bits(bundle: Bundle) -> None:
    for name in GRAPHS:
        tensors = onnx.load(bundle.graph_path(name, FP8), load_external_data=False).graph.initializer
        linear = [t for t in tensors if t.data_type == onnx.TensorProto.FLOAT8E4M3FN and t.dims]
        assert sum(int(np.prod(t.dims)) for t in linear) == blocks_in_fp8(bundle) * (4 * 32 * 32 + 2 * 32 * 64)
    sizes = {name: (bundle.path / "graphs" / name).stat().st_size for name in ("weights.bin", "weights.fp8.bin")}
    assert sizes["weights.fp8.bin"] < sizes["weights.bin"]


@pytest.mark.parametrize("graph", GRAPHS)
def test_it_computes_what_the_float32_graph_computes(graph: GraphName, bundle: Bundle) -> None:
    contract = bundle.manifest.input
    pixels = np.random.default_rng(0).integers(0, 256, (4, contract.height, contract.width, 3), np.uint8)
    exact = candidates()[0].load(bundle.graph_path(graph))(pixels)
    found = candidates()[0].load(bundle.graph_path(graph, FP8))(pixels)
    assert {name: value.shape for name, value in found.items()} == {name: value.shape for name, value in exact.items()}
    for name, value in exact.items():
        assert 1e-4 < np.linalg.norm(found[name] - value) / np.linalg.norm(value) < 0.1, name
    rows = found["attention"].sum(-1) + found["attention_prefix"].sum(-1)
    np.testing.assert_allclose(rows, 1, atol=1e-5)


def test_the_server_ignores_them_on_a_cpu(bundle: Bundle) -> None:
    manifest = bundle.manifest
    graphs = {name: graph.model_copy(update={"variants": {}}) for name, graph in manifest.graphs.items()}
    without = Bundle(bundle.path, manifest.model_copy(update={"graphs": graphs}), bundle.certificate)
    chosen = choose(bundle, Wanted("auto", "auto", allow_uncertified=False))
    assert chosen == choose(without, Wanted("auto", "auto", allow_uncertified=False))
    for choice in chosen:
        assert choice.precision in ("bf16", "f32")
        assert choice.graph_path(bundle, "classify") == bundle.path / "graphs/classify.onnx"


def test_something_between_dequantize_and_product_is_found(bundle: Bundle, tmp_path: Path) -> None:
    model = ir.load(bundle.graph_path("classify", FP8))
    (first, *_) = [node for node in model.graph if node.op_type == "DequantizeLinear"]
    (product, *_) = first.outputs[0].consumers()
    cast = ir.node("Cast", first.outputs, {"to": int(ir.DataType.FLOAT)})
    model.graph.insert_after(first, cast)
    product.replace_input_with(list(product.inputs).index(first.outputs[0]), cast.outputs[0])
    shutil.copy(bundle.path / "graphs/weights.fp8.bin", tmp_path)
    ir.save(model, tmp_path / "graph.onnx")
    with pytest.raises(ExportError, match=f"Cast .* reads DequantizeLinear; .*MatMul {product.name} reads Dequantize"):
        lint(tmp_path / "graph.onnx", bundle.manifest.graphs["classify"], bundle.manifest.input, softmaxes=3)


def test_the_block_that_hurts_stays_in_floating_point(photos: Path, tmp_path: Path) -> None:
    """One MLP has activations so large that E4M3 rounds the others to zero, which shows in the next block's map."""
    folder = calm(tmp_path / "checkpoint", vit(num_hidden_layers=3))
    model = transformers.ViTForImageClassification.from_pretrained(folder)
    with torch.no_grad():
        model.vit.layers[1].mlp.fc1.bias[:8] = 1e6
        model.vit.layers[1].mlp.fc2.weight[:, :8] *= 1e-7
        model.classifier.bias[0] = 100  # no near-ties
    model.save_pretrained(folder)
    bundle, images, warnings = export(folder, tmp_path / "models", photos, FP8)
    entry = bundle.certificate.entry("onnxruntime", "fp8")
    assert entry is not None and entry.passed and entry.float_layers == ("block 1",)
    assert images is not None and "the same 24 images" in warnings and "refused" not in warnings
    assert "Not in 8 bits, because it hurt most there: block 1." in printed(bundle, photos)


def test_fp8_below_the_bar_is_left_out_with_the_reason(
    checkpoints: dict[str, Path], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitscope.export.variants.search.LARGEST_FLOAT_SHARE", 0)
    bundle, _, warnings = export(checkpoints["deit"], tmp_path, photos, FP8)
    entry = bundle.certificate.entry("onnxruntime", "fp8")
    assert entry is not None and "mean attention cosine" in "".join(entry.shortfalls) and not entry.float_layers
    assert f"--fp8: refused, the bundle is published without fp8 graphs: {'; '.join(entry.shortfalls)}" in warnings
    assert not bundle.manifest.variants and not bundle.manifest.files.keys() & FILES
    assert "Uncertified: onnxruntime fp8, " in printed(bundle, photos)


@pytest.mark.skipif(bool(int8_candidate(True).missing), reason="this processor has no 8-bit dot products")
def test_both_forms_in_one_bundle(photos: Path, tmp_path: Path) -> None:
    bundle, _, _ = export(calm(tmp_path / "checkpoint", dinov2()), tmp_path / "models", photos, INT8, FP8)
    assert bundle.manifest.variants == {INT8, FP8}
    assert {graph.file for graph in bundle.manifest.graphs.values()} == {f"graphs/{name}.onnx" for name in GRAPHS}
    for variant in (INT8, FP8):
        assert bundle.graph_path("attention", variant).name == f"attention.{variant}.onnx"
