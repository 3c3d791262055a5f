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


def write_explaining_graph(path: Path) -> np.ndarray:
    """Write the graph with the second input, `target_class` [N, K], and two more outputs: `evidence` [N, K, HEIGHT], the
    mean of each row of pixels times the class's mean weight, plus the class; and `evidence_class` [N, K]. Returns the
    matrix.
    """
    matrix = write_graph(path)
    graph = onnx.load(path)
    constants = {
        "zero": np.zeros(1, np.int64), "one": np.ones(1, np.int64), "all": np.array([CLASSES]), "last": np.array([-1]),
        "sides": np.array([2, 3]), "weights": matrix.mean(0),
    }  # fmt: skip
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    node = helper.make_node
    graph.graph.node.extend(
        [
            node("TopK", ["logits", "all"], ["sorted", "order"], axis=1),
            node("Neg", ["target_class"], ["minus"]),
            node("Sub", ["minus", "one"], ["rank_or_less"]),
            node("Max", ["rank_or_less", "zero"], ["rank"]),
            node("GatherElements", ["order", "rank"], ["ranked"], axis=1),
            node("Less", ["target_class", "zero"], ["by_rank"]),
            node("Where", ["by_rank", "ranked", "target_class"], ["evidence_class"]),
            node("Gather", ["weights", "evidence_class"], ["weight"]),
            node("Cast", ["evidence_class"], ["class"], to=TensorProto.FLOAT),
            node("ReduceMean", ["floats", "sides"], ["rows"], keepdims=0),
            node("Unsqueeze", ["rows", "one"], ["rows_1"]),
            node("Unsqueeze", ["weight", "last"], ["weight_1"]),
            node("Unsqueeze", ["class", "last"], ["class_1"]),
            node("Mul", ["rows_1", "weight_1"], ["share"]),
            node("Add", ["share", "class_1"], ["evidence"]),
        ]
    )
    graph.graph.input.append(helper.make_tensor_value_info("target_class", TensorProto.INT64, ["N", "K"]))
    graph.graph.output.extend(
        [
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["N", "K", HEIGHT]),
            helper.make_tensor_value_info("evidence_class", TensorProto.INT64, ["N", "K"]),
        ]
    )
    onnx.save(graph, path)
    return matrix


def explained(images: np.ndarray, classes: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what that graph's `evidence` and `evidence_class` have to be."""
    order = np.argsort(-(images.mean((1, 2)) @ matrix), axis=1, kind="stable")
    chosen = np.where(classes < 0, np.take_along_axis(order, np.maximum(-classes - 1, 0), 1), classes)
    shares = images.mean((2, 3))[:, None] * matrix.mean(0)[chosen][..., None] + chosen[..., None]
    return shares, chosen


NOT_A_NUMBER, OUT_OF_RANGE = 240, 255


def write_picky_graph(path: Path) -> None:
    """Write a graph that depends on the red of the first pixel: NOT_A_NUMBER makes its logits NaN, and from 250 on ONNX
    Runtime fails."""
    write_graph(path)
    graph = onnx.load(path)
    table = np.zeros(250, np.float32)
    table[NOT_A_NUMBER] = np.nan
    constants = {"table": table, "from": np.zeros(3, np.int64), "to": np.ones(3, np.int64), "of": np.array([1, 2, 3])}
    constants["shape"] = np.array([-1, 1])
    graph.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.graph.node[-1].output[0] = "plain"
    graph.graph.node.extend(
        [
            helper.make_node("Slice", ["pixels", "from", "to", "of"], ["red"]),
            helper.make_node("Cast", ["red"], ["index"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["index", "shape"], ["row"]),
            helper.make_node("Gather", ["table", "row"], ["added"]),
            helper.make_node("Add", ["plain", "added"], ["logits"]),
        ]
    )
    onnx.save(graph, path)
