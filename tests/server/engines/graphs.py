"""A real ONNX graph with the inputs and outputs of a bundle's graph, small enough to check by hand."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEIGHT, WIDTH, CLASSES = 4, 6, 3


def write_graph(path: Path) -> np.ndarray:
    """Write a graph: logits = mean of each channel, times a matrix. Returns the matrix, float32 [3, CLASSES]."""
    matrix = np.arange(9, dtype=np.float32).reshape(3, CLASSES) / 10
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "matrix"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", HEIGHT, WIDTH, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(np.array([1, 2]), "axes")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return matrix
