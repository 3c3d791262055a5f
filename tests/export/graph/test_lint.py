"""Each check of an exported graph, on a graph with that fault."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from vitscope.bundle import Graph, InputContract, Output, Resize
from vitscope.export.errors import ExportError
from vitscope.export.graph.lint import lint

CONTRACT = InputContract(
    height=4, width=4, resize=Resize(mode="squash", height=4, width=4, interpolation="bilinear"),
    mean=(0, 0, 0), std=(1, 1, 1),
)  # fmt: skip
GRAPH = Graph(file="graphs/classify.onnx", outputs=(Output(name="logits", shape=("N", 3)),))


def sound() -> onnx.ModelProto:
    """Make a graph that passes: pixels -> Cast -> mean over the image -> Softmax."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Softmax", ["mean"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", 4, 4, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def check(model: onnx.ModelProto, folder: Path) -> None:
    path = folder / "classify.onnx"
    onnx.save(model, path)
    lint(path, GRAPH, CONTRACT, softmaxes=1)


def insert(model: onnx.ModelProto, *nodes: onnx.NodeProto) -> None:
    """Insert nodes before the Softmax, which then reads the last one's output."""
    softmax = model.graph.node.pop()
    softmax.input[0] = nodes[-1].output[0]
    model.graph.node.extend([*nodes, softmax])


def resize(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("scales", TensorProto.FLOAT, [2], [1, 1]))
    insert(model, helper.make_node("Resize", ["mean", "", "scales"], ["resized"]))


def where(model: onnx.ModelProto) -> None:
    insert(
        model,
        helper.make_node("IsNaN", ["mean"], ["bad"]),
        helper.make_node("Where", ["bad", "mean", "mean"], ["chosen"]),
    )


def softmax(model: onnx.ModelProto) -> None:
    insert(model, helper.make_node("Softmax", ["mean"], ["twice"]))


def fixed_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 2


def float_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def channels_first(model: onnx.ModelProto) -> None:
    for index, side in enumerate((3, 4, 4), start=1):
        model.graph.input[0].type.tensor_type.shape.dim[index].dim_value = side


def late_cast(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("Identity", ["pixels"], ["moved"]))
    model.graph.node[1].input[0] = "moved"


def renamed(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = model.graph.output[0].name = "scores"


def test_a_sound_graph_passes(tmp_path: Path) -> None:
    check(sound(), tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (resize, "Resize"),
        (where, "IsNaN.*Where"),
        (softmax, "2 Softmax nodes instead of 1"),
        (fixed_batch, "batch of pixels is fixed at 2; the batch of logits is fixed at 2"),
        (float_input, "pixels is FLOAT instead of UINT8"),
        (channels_first, "shape of pixels is"),
        (late_cast, "Identity reads pixels before the cast"),
        (renamed, "outputs are scores instead of logits"),
    ],
)
def test_each_fault_is_named(damage: Callable[[onnx.ModelProto], None], message: str, tmp_path: Path) -> None:
    model = sound()
    damage(model)
    with pytest.raises(ExportError, match=message):
        check(model, tmp_path)
