"""How engines run the attention of a graph."""

from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import openvino as ov

from vitscope.export.certificate.engines import core


def assert_fused(path: Path, attentions: int) -> None:
    """Check that both engines fuse what they can of so many attentions. Those beside them are computed plainly."""
    graph = onnx.load(path, load_external_data=False).graph
    beside = sum(node.op_type == "Softmax" for node in graph.node) - attentions
    compiled = core().compile_model(path, "CPU", {ov.properties.hint.inference_precision: ov.Type.f32})
    kinds = Counter(op.get_rt_info()["layerType"].astype(str) for op in compiled.get_runtime_model().get_ops())
    # Attention that OpenVINO does not run as one kernel shows its own Softmax.
    assert kinds["Softmax"] == beside
    assert kinds["Subgraph"] + kinds["ScaledDotProductAttention"] + kinds["MHA"] >= attentions
    assert _products_in_onnxruntime(path) >= attentions


def _products_in_onnxruntime(path: Path) -> int:
    """Count the softmaxes whose scores are one product with scale and transposition in it.

    That is as much as ONNX Runtime fuses on a CPU, where it has no kernel for the whole.
    """
    options, optimised = onnxruntime.SessionOptions(), path.with_suffix(".optimised")
    options.optimized_model_filepath, options.log_severity_level = str(optimised), 3
    onnxruntime.InferenceSession(path, options)
    nodes = onnx.load(optimised, load_external_data=False).graph.node
    optimised.unlink()
    producers = {output: node for node in nodes for output in node.output}
    count = 0
    for softmax in (node for node in nodes if node.op_type == "Softmax"):
        scores = producers[softmax.input[0]]
        if scores.op_type == "Add":  # of a bias
            scores = next((producers[name] for name in scores.input if name in producers), scores)
        count += scores.op_type == "FusedMatMul"
    return count
