"""The form of a graph in which each layer's attention is one node."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, helper

from tests.server.engines import vits
from tests.server.engines.vits import FAMILY_NAMES, FamilyName, Shape
from vitscope.bundle import ATTENTION, CLASSIFY, GraphName
from vitscope.server.engines.contract import Identity, Precision, Profile
from vitscope.server.engines.onnx.attention import NotFused, with_attention_nodes
from vitscope.server.engines.onnx.opset import OpsetError
from vitscope.server.engines.onnxruntime_cuda import OnnxRuntimeCudaEngine

# The root of the heads' width is not a whole number, so that nothing is exact by chance.
UNEVEN = Shape(layers=3, width=48, heads=2, image=32)


def operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def assert_equal_outputs(model: ModelProto, fused: ModelProto, image: int = 64) -> None:
    for count in (1, 5):
        images = vits.pixels(count, image, seed=count)
        expected, found = vits.outputs(model, images), vits.outputs(fused, images)
        assert expected.keys() == found.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("graph", [CLASSIFY, ATTENTION])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_layer_becomes_one_node_and_outputs_stay_the_same(family: FamilyName, graph: GraphName) -> None:
    model = vits.traced(family, graph)
    fused = with_attention_nodes(model, layers=2)
    onnx.checker.check_model(fused, full_check=True)
    assert [opset.version for opset in fused.opset_import] == [23]
    assert operators(fused)["Attention"] == 2
    # The remaining ones are for the class token's rows.
    assert operators(fused)["Softmax"] == (2 if graph == ATTENTION else 1)
    assert_equal_outputs(model, fused)


def test_a_scale_whose_root_is_no_whole_number_is_kept() -> None:
    model = vits.traced("vit", CLASSIFY, **UNEVEN)
    fused = with_attention_nodes(model, layers=3)
    assert operators(model)["Attention"] == 0, "the graph that was given is not touched"
    assert_equal_outputs(model, fused, UNEVEN["image"])


def test_nodes_whose_outputs_are_no_longer_read_are_removed() -> None:
    model = vits.traced("vit", CLASSIFY)
    fused = with_attention_nodes(model, layers=2)
    # In the second layer, queries and keys are still split into heads, for the row of the class token.
    assert operators(model) - operators(fused) == {
        "Reshape": 4 + 2,
        "Transpose": 4 + 2,
        "Mul": 1,
        "MatMul": 4,
        "Softmax": 2,
    }
    read = {name for node in fused.graph.node for name in node.input}
    assert {tensor.name for tensor in fused.graph.initializer} <= read


def of_type(model: ModelProto, operator: str) -> list[NodeProto]:
    return [node for node in model.graph.node if node.op_type == operator]


def weighted(model: ModelProto) -> NodeProto:
    """Return the first layer's product with the values."""
    softmax = of_type(model, "Softmax")[0].output[0]
    return next(node for node in model.graph.node if softmax in node.input)


def read_softmax_twice(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", [of_type(model, "Softmax")[0].output[0]], ["twice"]))


def turn_another_way(model: ModelProto) -> None:
    values = weighted(model).input[1]
    (transposed,) = [node for node in model.graph.node if values in node.output]
    transposed.attribute[0].ints[:] = [0, 2, 3, 1]


def keep_heads_apart(model: ModelProto) -> None:
    output = weighted(model).output[0]
    (transposed,) = [node for node in model.graph.node if output in node.input]
    transposed.attribute[0].ints[:] = [0, 1, 2, 3]


def weigh_from_the_right(model: ModelProto) -> None:
    weighted(model).input[:] = reversed(weighted(model).input)


def sum_over_queries(model: ModelProto) -> None:
    softmax = of_type(model, "Softmax")[0]
    del softmax.attribute[:]
    softmax.attribute.append(helper.make_attribute("axis", 2))


def add_a_mask(model: ModelProto) -> None:
    of_type(model, "Softmax")[0].input[0] = "masked"


def scale_by_a_vector(model: ModelProto) -> None:
    scores = of_type(model, "Softmax")[0].input[0]
    (product,) = [node for node in model.graph.node if scores in node.output]
    (scaled,) = [node for node in model.graph.node if product.input[0] in node.output]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.full(64, 0.125, np.float32), "vector"))
    scaled.input[1] = "vector"


def split_values_otherwise(model: ModelProto) -> None:
    values = weighted(model).input[1]
    (transposed,) = [node for node in model.graph.node if values in node.output]
    (split,) = [node for node in model.graph.node if transposed.input[0] in node.output]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 17, 6, 32]), "six heads"))
    split.input[1] = "six heads"


@pytest.mark.parametrize(
    "change",
    [
        read_softmax_twice,
        turn_another_way,
        keep_heads_apart,
        weigh_from_the_right,
        sum_over_queries,
        add_a_mask,
        scale_by_a_vector,
        split_values_otherwise,
    ],
)
def test_a_layer_of_another_form_is_refused(change: Callable[[ModelProto], None]) -> None:
    model = vits.traced()
    change(model)
    with pytest.raises(
        NotFused, match=r"^1 of 2 layers have the attention that `vitscope export` writes; accepted: all"
    ):
        with_attention_nodes(model, layers=2)


def test_an_operator_that_means_something_else_in_opset_23_is_refused() -> None:
    model = vits.traced()
    last = model.graph.node[-1]
    model.graph.node.append(helper.make_node("GroupNormalization", [last.output[0], "one", "one"], ["x"], num_groups=1))
    with pytest.raises(OpsetError, match="operator GroupNormalization has another version in opset 23"):
        with_attention_nodes(model, layers=2)


@pytest.mark.parametrize(("precision", "tolerance"), [("f32", 1e-5), ("f16", 0.05)])
def test_onnxruntime_runs_such_nodes_with_other_kernels(precision: Precision, tolerance: float, tmp_path: Path) -> None:
    path, images = vits.written(tmp_path)[CLASSIFY], vits.pixels(3)

    def run(fused_layers: int) -> np.ndarray:
        identity = Identity("onnxruntime-cuda", "1", precision, "CPU")
        engine = OnnxRuntimeCudaEngine(
            path, [Profile(1, 1)], 4, identity, fused_layers, provider="CPUExecutionProvider"
        )
        slot = engine.slot()
        slot.pixels[:3] = images
        return slot.run(3)["logits"]

    plain, fused = run(fused_layers=0), run(fused_layers=2)
    np.testing.assert_allclose(fused, plain, atol=tolerance)
    assert not np.array_equal(fused, plain), "it ran the same kernels"
    with pytest.raises(NotFused, match="2 of 99 layers"):
        run(fused_layers=99)
