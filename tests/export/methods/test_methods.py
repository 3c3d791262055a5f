"""A method is added by one file: graph, lint, manifest, certificate and summary get all that they need from it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.export.methods.samples import HeadMean, PatchSimilarity
from tests.export.summary import printed
from vitscope.bundle import CLASSIFY, Bundle, GraphName, open_bundle
from vitscope.export.certificate.engines import candidates
from vitscope.export.certificate.images import find_images, read_image
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.pixels import prepare
from vitscope.export.errors import ExportError
from vitscope.export.methods import Attention, Forward, Method, Place, Scores
from vitscope.export.pipeline import ExportJob, export_checkpoint


@pytest.fixture(scope="module")
def bundle(checkpoints: dict[str, Path], photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An export with two more methods. DeiT has two prefix tokens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vitscope.export.job.METHODS", (Attention(), PatchSimilarity(), HeadMean()))
        folder, models = str(checkpoints["deit"]), tmp_path_factory.mktemp("models")
        return export_checkpoint(ExportJob(folder, models, "x", calibration=photos, allow_uncertified=True))[0]


def test_the_manifest_names_it_and_its_outputs(bundle: Bundle) -> None:
    manifest = open_bundle(bundle.path).manifest
    assert manifest.methods == ("attention", "patch_similarity", "head_mean") and manifest.has_attention
    shapes = {n: {o.name: o.shape for o in graph.outputs} for n, graph in manifest.graphs.items()}
    assert shapes["classify"]["patch_similarity"] == ("N", 16) and shapes["classify"]["head_mean"] == ("N", 18)
    assert list(shapes["attention"]) == ["logits", "attention", "attention_prefix"]


def test_the_graph_computes_it(bundle: Bundle, checkpoints: dict[str, Path], photos: Path) -> None:
    checkpoint = load_checkpoint(str(checkpoints["deit"]))
    checkpoint.model.set_attn_implementation("eager")
    files = find_images(photos, photos).files[:4]
    pixels, tensors = zip(*(prepare(checkpoint.processor, read_image(p)) for p in files), strict=True)
    with torch.inference_mode():
        body = checkpoint.model.deit(torch.stack(tensors), output_attentions=True)
    outputs = candidates()[0].load(bundle.graph_path(CLASSIFY))(np.stack(pixels))
    assert list(outputs) == ["logits", "attention", "attention_prefix", "patch_similarity", "head_mean"]
    similarity = (body.last_hidden_state[:, 2:] * body.last_hidden_state[:, :1]).sum(-1)
    np.testing.assert_allclose(outputs["patch_similarity"], similarity, atol=1e-3)
    np.testing.assert_allclose(outputs["head_mean"], body.attentions[-1].mean(1)[:, 0], atol=1e-5)


def test_the_certificate_holds_it_to_its_bar(bundle: Bundle, photos: Path) -> None:
    for entry in bundle.certificate.entries:
        assert entry.cosines.keys() == {"attention", "patch_similarity", "head_mean"}
        if entry.precision == "f32":
            assert entry.passed and all(found.lowest > 0.9999 for found in entry.cosines.values())
    shown = " ".join(printed(bundle, photos, width=300).split())
    assert all(f"f32 {method} 1.0000" in shown for method in ("attention", "patch_similarity", "head_mean"))


def test_other_graphs_and_outputs_are_left_as_they_are(bundle: Bundle, bundles: dict[str, Bundle]) -> None:
    name: GraphName
    for name in ("classify", "attention"):
        graph = onnx.load(bundle.graph_path(name), load_external_data=False).graph
        plain = onnx.load(bundles["deit"].graph_path(name), load_external_data=False).graph
        assert [output.name for output in graph.output][:3] == [output.name for output in plain.output]
        further = sum(node.op_type == "Softmax" for node in graph.node) - sum(
            n.op_type == "Softmax" for n in plain.node
        )
        assert further == (1 if name == CLASSIFY else 0)


class Reversed(PatchSimilarity):
    """A method whose graph is not what the reference computes."""

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        return {CLASSIFY: (self._products(forward).flip(1),)}


class Unfused(HeadMean):
    """A method that reads the softmax of the kernel: the exporter merges equal expressions."""

    def side_branch(self, scores: Scores, place: Place) -> torch.Tensor:
        return torch.softmax(scores.query @ scores.key, dim=-1).mean(dim=1)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Reversed(), r"onnxruntime f32: the patch_similarity cosine falls to .*, at least 0.9999 is accepted"),
        (Unfused(), "classify.onnx is not fit to serve: it holds 3 Softmax nodes instead of 4"),
    ],
)
def test_a_faulty_method_fails_the_export(
    method: Method,
    message: str,
    checkpoints: dict[str, Path],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vitscope.export.job.METHODS", (Attention(), method))
    with pytest.raises(ExportError, match=message):
        export_checkpoint(ExportJob(str(checkpoints["vit"]), tmp_path / "models", "x", calibration=photos))
    assert not (tmp_path / "models").exists()


def test_without_attention_the_others_remain(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitscope.export.job.METHODS", (Attention(), PatchSimilarity()))
    job = ExportJob(str(checkpoints["vit"]), tmp_path, "x", attention=False, certificate=False)
    manifest = export_checkpoint(job)[0].manifest
    assert manifest.methods == ("patch_similarity",) and list(manifest.graphs) == ["classify"]
    assert [output.name for output in manifest.graphs[CLASSIFY].outputs] == ["logits", "patch_similarity"]


class Constant(PatchSimilarity):
    """A method whose rows have no direction."""

    def _products(self, forward: Forward) -> torch.Tensor:
        return super()._products(forward) * 0


def test_rows_of_zeros_do_not_pass(
    checkpoints: dict[str, Path], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitscope.export.job.METHODS", (Attention(), Constant()))
    with pytest.raises(ExportError, match=r"the patch_similarity cosine falls to 0.00000, at least 0.9999 is accepted"):
        export_checkpoint(ExportJob(str(checkpoints["vit"]), tmp_path / "models", "x", calibration=photos))
