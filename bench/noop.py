"""A model that computes nothing, to measure the service around the engine."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from bench.models import Model
from vitscope.bundle import CLASSIFY, BundleWriter, Certificate, Graph


def noop_graph(file: Path, side: int, labels: int) -> None:
    """Write a graph that maps uint8 pixels [N, side, side, 3] to float32 logits [N, labels], all zero."""
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", side, side, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", labels])
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])
    nodes = [
        helper.make_node("Shape", ["pixels"], ["batch"], start=0, end=1),
        helper.make_node("Constant", [], ["classes"], value_ints=[labels]),
        helper.make_node("Concat", ["batch", "classes"], ["shape"], axis=0),
        helper.make_node("ConstantOfShape", ["shape"], ["logits"], value=zero),
    ]
    graph = helper.make_graph(nodes, "noop", [pixels], [logits])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), file)


def noop_model(like: Model) -> Model:
    """Return a bundle with the input contract of `like` and the graph above. Makes it if it is missing."""
    name, folder = "noop", like.folder.parents[1] / "noop" / "bundles"
    manifest = like.bundle.manifest
    model = Model(name, folder, like.plain)
    if (folder / name / "1").exists():
        return model
    with BundleWriter(folder, name, version=1) as writer:
        outputs = tuple(output for output in manifest.graphs[CLASSIFY].outputs if output.name == "logits")
        graph = Graph(file="graphs/classify.onnx", outputs=outputs)
        (writer.path / "graphs").mkdir()
        noop_graph(writer.path / graph.file, manifest.input.width, len(manifest.labels))
        writer.save_explain(like.bundle.explain())
        writer.save_certificate(Certificate())
        changes = {"name": name, "graphs": {CLASSIFY: graph}, "methods": (), "files": writer.files()}
        writer.publish(manifest.model_copy(update=changes))
    return model
