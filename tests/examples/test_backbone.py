"""DINOv2 out of the package: the same features as its own graph, better ones than random weights, and an export.

Marked slow: about half a minute on one processor without AMX.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino as ov
import pytest
import skimage.data
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, Dinov2ForImageClassification, Dinov2Model

from examples.fewshot.features import Features, probe
from examples.photos import backbone
from tests.export.families.test_export import check, eager
from vitscope.bundle import CLASSIFY
from vitscope.export.certificate.engines import core
from vitscope.export.pipeline import ExportJob, export_checkpoint
from vitscope.export.size import Size

pytestmark = pytest.mark.slow
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
BLOCKS = 4


def test_the_features_are_those_of_the_package(package: Path, pretrained: Path) -> None:
    graph = onnx.load_from_string(backbone.onnx_file(package))
    name = "/backbone/layernorm/Add_1_output_0"
    graph.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    photo = backbone.processor()(Image.fromarray(skimage.data.chelsea()), return_tensors="pt")["pixel_values"]
    (expected,) = session.run([name], {"input_image": photo.numpy()})
    with torch.inference_mode():
        found = AutoModel.from_pretrained(pretrained).eval()(photo).last_hidden_state.numpy()
    assert found.shape == (1, 257, 384) and np.ptp(expected) > 10
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_a_probe_beats_one_on_random_weights(pretrained: Path, tmp_path: Path) -> None:
    """10 images of each class, 100 to test: 65 % against 47 % where this was written."""
    torch.manual_seed(0)
    Dinov2Model(backbone.configuration()).save_pretrained(tmp_path / "random")
    AutoImageProcessor.from_pretrained(pretrained, backend="pil").save_pretrained(tmp_path / "random")
    found, random = (
        probe(Features(weights, tmp_path / f"{weights.name}.npz"), seed=0, count=10, test=100)
        for weights in (pretrained, tmp_path / "random")
    )
    assert found >= random + 0.15, (found, random)


def test_it_is_exported(pretrained: Path, tmp_path: Path, calibration: Path) -> None:
    source = tmp_path / "checkpoint"
    torch.manual_seed(0)
    labels = dict(enumerate(("cat", "coffee", "astronaut")))
    # Its first blocks: the others are of the same form, and only make the trace three times as long.
    shape = backbone.configuration(num_hidden_layers=BLOCKS, id2label=labels)
    model = Dinov2ForImageClassification.from_pretrained(pretrained, config=shape)
    model.save_pretrained(source)
    AutoImageProcessor.from_pretrained(pretrained, backend="pil").save_pretrained(source)
    job = ExportJob(str(source), tmp_path / "models", "photos", certificate=False, evidence=False, size=Size(56, 56))
    bundle = export_checkpoint(job)[0]
    assert (bundle.manifest.tokens.grid_rows, bundle.manifest.layers, bundle.manifest.heads) == (4, BLOCKS, 6)
    pixels, _, out = eager(source, calibration, Size(56, 56))
    check(bundle, pixels, out)
    path = bundle.graph_path(CLASSIFY)
    nodes = onnx.load(path, load_external_data=False).graph.node
    beside = sum(node.op_type == "Softmax" for node in nodes) - BLOCKS
    compiled = core().compile_model(path, "CPU", {ov.properties.hint.inference_precision: ov.Type.f32})
    kinds = Counter(op.get_rt_info()["layerType"].astype(str) for op in compiled.get_runtime_model().get_ops())
    # A block whose attention is not fused shows its own Softmax.
    assert kinds["Softmax"] == beside
    assert kinds["Subgraph"] + kinds["ScaledDotProductAttention"] + kinds["MHA"] >= BLOCKS
