"""The arithmetic limit: an engine's speed in large matrix products, to compare its speed on a model with."""

from pathlib import Path

import numpy as np

from vitscope.bundle import CLASSIFY, Bundle, BundleWriter, Certificate, Graph, Manifest, open_bundle

# For each image, a chain of products of a [ROWS, WIDTH] matrix with [WIDTH, WIDTH] matrices: shapes as in a large ViT,
# with next to nothing between the products.
_ROWS, _WIDTH, _PRODUCTS = 512, 1024, 8
OPERATIONS = 2.0 * _ROWS * _WIDTH**2 * _PRODUCTS
"""Floating-point operations for each image."""


def limit_bundle(folder: Path, like: Manifest) -> Bundle:
    """Write a bundle with the inputs and logits of `like`, without attention, that only multiplies matrices."""
    with BundleWriter(folder, "limit", version=1) as writer:
        outputs = tuple(output for output in like.graphs[CLASSIFY].outputs if output.name == "logits")
        graph = Graph(file="graphs/classify.onnx", outputs=outputs)
        (writer.path / "graphs").mkdir()
        _write_graph(writer.path / graph.file, like)
        writer.save_explain({})
        writer.save_certificate(Certificate())
        changes = {"name": "limit", "version": 1, "graphs": {CLASSIFY: graph}, "methods": (), "files": writer.files()}
        return open_bundle(writer.publish(like.model_copy(update=changes)))


def _write_graph(path: Path, like: Manifest) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random, labels = np.random.default_rng(0), len(like.labels)
    constants = {
        "axes": np.array([1, 2, 3]),
        "start": random.standard_normal((1, _ROWS, _WIDTH)).astype(np.float32) / 128,
        "rows": np.array([1]),
        "head": random.standard_normal((_WIDTH, labels)).astype(np.float32),
    }
    # Nearly orthogonal matrices keep the numbers in the range of half precision, however long the chain is.
    for index in range(_PRODUCTS):
        constants[f"matrix{index}"] = (random.standard_normal((_WIDTH, _WIDTH)) / _WIDTH**0.5).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=1),
        helper.make_node("Squeeze", ["mean", "rows"], ["brightness"]),
        helper.make_node("Mul", ["brightness", "start"], ["product0"]),
        *(
            helper.make_node("MatMul", [f"product{index}", f"matrix{index}"], [f"product{index + 1}"])
            for index in range(_PRODUCTS)
        ),
        helper.make_node("ReduceMean", [f"product{_PRODUCTS}", "rows"], ["summary"], keepdims=0),
        helper.make_node("MatMul", ["summary", "head"], ["logits"]),
    ]
    pixels = ["N", like.input.height, like.input.width, 3]
    graph = helper.make_graph(
        nodes,
        "limit",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, pixels)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", labels])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
