"""A real ONNX graph with the inputs and outputs of a bundle's graph, small enough to check by hand."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vitscope.bundle import Output

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
    """Write a graph as `evidence` graphs are, with a second input, `target_class`. Returns the matrix of `write_graph`.

    `evidence` of a patch is its mean times the mean weight of the class, plus the class; `evidence_gradient` is twice
    that, `evidence_direct` its negative. Of the target, the log-probability, a quarter is `cls_self`.
    """
    matrix = write_graph(path)
    graph = onnx.load(path)
    constants = {
        "zero": np.zeros(1, np.int64), "one": np.ones(1, np.int64), "all": np.array([CLASSES]), "last": np.array([-1]),
        "cells": np.array([-1, ROWS, HEIGHT // ROWS, COLS, WIDTH // COLS * 3]), "within": np.array([2, 4]),
        "flat": np.array([-1, 1, ROWS * COLS]), "weights": matrix.mean(0), "two": np.float32(2),
        "quarter": np.float32(0.25), "nothing": np.float32(0), "per_patch": np.array([-1, ROWS * COLS]),
    }  # fmt: skip
    graph.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    node = helper.make_node
    ledger = ["target", "base", "cls_self", "registers", "share"]
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
            node("Reshape", ["floats", "cells"], ["by_cell"]),
            node("ReduceMean", ["by_cell", "within"], ["cell"], keepdims=0),
            node("Reshape", ["cell", "flat"], ["patch"]),
            node("Unsqueeze", ["weight", "last"], ["weight_1"]),
            node("Unsqueeze", ["class", "last"], ["class_1"]),
            node("Mul", ["patch", "weight_1"], ["share_of_patch"]),
            node("Add", ["share_of_patch", "class_1"], ["evidence"]),
            node("Mul", ["evidence", "two"], ["evidence_gradient"]),
            node("Neg", ["evidence"], ["evidence_direct"]),
            node("Reshape", ["cell", "per_patch"], ["evidence_norms"]),
            node("LogSoftmax", ["logits"], ["log_probabilities"], axis=-1),
            node("GatherElements", ["log_probabilities", "evidence_class"], ["target"], axis=1),
            node("Mul", ["target", "quarter"], ["cls_self"]),
            node("Mul", ["target", "nothing"], ["registers"]),
            node("ReduceSum", ["evidence", "last"], ["patches"], keepdims=0),
            node("Sub", ["target", "cls_self"], ["rest"]),
            node("Sub", ["rest", "patches"], ["base"]),
            node("Add", ["registers", "quarter"], ["share"]),
            *(node("Unsqueeze", [term, "last"], [f"{term}_1"]) for term in ledger),
            node("Concat", [f"{term}_1" for term in ledger], ["evidence_ledger"], axis=-1),
        ]
    )
    graph.graph.input.append(helper.make_tensor_value_info("target_class", TensorProto.INT64, ["N", "K"]))
    shapes = {name: output.shape for name, output in EXPLAINED.items()}
    graph.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.INT64 if name == "evidence_class" else TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    onnx.save(graph, path)
    return matrix


ROWS, COLS = 2, 3
"""The grid of patches."""
EXPLAINED = {
    "evidence": Output(name="evidence", shape=("N", "K", ROWS * COLS)),
    "evidence_gradient": Output(name="evidence_gradient", shape=("N", "K", ROWS * COLS)),
    "evidence_direct": Output(name="evidence_direct", shape=("N", "K", ROWS * COLS)),
    "evidence_ledger": Output(name="evidence_ledger", shape=("N", "K", 5)),
    "evidence_class": Output(name="evidence_class", shape=("N", "K"), dtype="int64"),
    "evidence_norms": Output(name="evidence_norms", shape=("N", ROWS * COLS)),
}


def explained(images: np.ndarray, classes: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what that graph's `evidence` and `evidence_class` have to be."""
    order = np.argsort(-(images.mean((1, 2)) @ matrix), axis=1, kind="stable")
    chosen = np.where(classes < 0, np.take_along_axis(order, np.maximum(-classes - 1, 0), 1), classes)
    cells = images.reshape(len(images), ROWS, HEIGHT // ROWS, COLS, -1).mean((2, 4)).reshape(len(images), 1, -1)
    return cells * matrix.mean(0)[chosen][..., None] + chosen[..., None], chosen


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
