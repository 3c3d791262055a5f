"""Any small graph is retyped to one that computes the same, or refused by name."""

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.server.engines import vits
from tests.server.engines.onnx.small import graph_of
from vitscope.server.engines.onnx.precision import Arithmetic, PrecisionError, float32_tensors, retype

PRECISIONS: tuple[Arithmetic, ...] = ("f16", "bf16")


def steps_of(kind: str, x: str, y: str) -> list[onnx.NodeProto]:
    """Return nodes that compute tensor `y` from tensor `x`, both [N, 3]."""
    match kind:
        case "product":
            return [helper.make_node("MatMul", [x, "matrix"], [y])]
        case "sum":
            return [helper.make_node("Add", ["vector", x], [y])]
        case "scale":
            return [helper.make_node("Mul", [x, "vector"], [y])]
        case "softmax":
            return [helper.make_node("Softmax", [x], [y], axis=-1)]
        case "zeros":
            return [
                helper.make_node("Shape", [x], [f"{y}_shape"]),
                helper.make_node("ConstantOfShape", [f"{y}_shape"], [f"{y}_zeros"]),
                helper.make_node("Add", [x, f"{y}_zeros"], [y]),
            ]
        case "half":
            return [
                helper.make_node("Constant", [], [f"{y}_half"], value_float=0.5),
                helper.make_node("Mul", [f"{y}_half", x], [y]),
            ]
    return [  # "double"
        helper.make_node("Cast", [x], [f"{y}_double"], to=TensorProto.DOUBLE),
        helper.make_node("Cast", [f"{y}_double"], [y], to=TensorProto.FLOAT),
    ]


KINDS = ("product", "sum", "scale", "softmax", "zeros", "half", "double")


def random_graph(kinds: list[str], magnitude: float, seed: int) -> ModelProto:
    """Build a chain of `kinds`. They share constants, so that one is read inside the normalisation and after it."""
    random = np.random.default_rng(seed)
    names = ["x", *(f"t{number}" for number in range(1, len(kinds))), "logits"]
    nodes = [n for number, kind in enumerate(kinds) for n in steps_of(kind, names[number], names[number + 1])]
    return graph_of(
        nodes, vector=magnitude * random.uniform(-1, 1, 3), matrix=magnitude * random.uniform(-1, 1, (3, 3))
    )


@settings(max_examples=80)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    magnitude=st.floats(2.0**-100, float(np.finfo(np.float32).max), width=32),
    seed=st.integers(0, 9),
    precision=st.sampled_from(PRECISIONS),
)
def test_any_graph_is_retyped_or_its_overflow_named(
    kinds: list[str], magnitude: float, seed: int, precision: Arithmetic
) -> None:
    model = random_graph(kinds, magnitude, seed)
    read = {name for node in model.graph.node for name in node.input}
    used = {t.name: np.abs(numpy_helper.to_array(t)).max() for t in model.graph.initializer if t.name in read}
    limit = {"f16": 65504.0, "bf16": 3.38953e38}[precision]
    try:
        half = retype(model, precision)
    except PrecisionError as error:
        assert any(f"tensor {name}: " in str(error) and largest > limit for name, largest in used.items())
        return
    assert all(np.isfinite(numpy_helper.to_array(tensor)).all() for tensor in half.graph.initializer)
    onnx.checker.check_model(half, full_check=True)
    assert [*half.graph.output] == [*model.graph.output]
    # Leading sums and products are the normalisation and stay in float32, except for one that is the output.
    leading = next((i for i, kind in enumerate(kinds) if kind not in ("sum", "scale")), len(kinds) - 1)
    exact = {"x", *(f"t{number}" for number in range(1, leading + 1))} if leading else set()
    assert float32_tensors(half) == {"logits"} | exact
    assert all(tensor.data_type != TensorProto.FLOAT for tensor in half.graph.initializer) or exact


@settings(max_examples=40)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    magnitude=st.floats(0.001, 0.3),
    seed=st.integers(0, 9),
)
def test_any_graph_computes_the_same_in_f16(kinds: list[str], magnitude: float, seed: int) -> None:
    model = random_graph(kinds, magnitude, seed)
    batch = np.random.default_rng(seed).integers(0, 256, (2, 3), np.uint8)
    found, expected = (vits.outputs(m, batch)["logits"] for m in (retype(model, "f16"), model))
    # A softmax turns the absolute error of scores near 255, which is an eighth, into a relative error.
    np.testing.assert_allclose(found, expected, atol=0.15 * max(1e-2, np.abs(expected).max()))
