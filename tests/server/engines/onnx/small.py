"""Small graphs, built node by node."""

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper


def graph_of(nodes: list[onnx.NodeProto], **constants: object) -> ModelProto:
    """Build a graph: pixels uint8 [N, 3] -> x float32 -> `nodes` -> logits. constants: float32, by name."""
    graph = helper.make_graph(
        [helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT), *nodes],
        "small",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.array(values, np.float32), name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
