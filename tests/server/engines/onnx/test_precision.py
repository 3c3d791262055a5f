"""Level D of the proof without a GPU: each precision computes what float32 computes, on engines that run here."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.server.engines import vits
from tests.server.engines.vits import FAMILY_NAMES, FamilyName
from vitscope.bundle import ATTENTION, CLASSIFY, GraphName
from vitscope.server.engines.onnx.opset import ONLY_WIDENED, OpsetError
from vitscope.server.engines.onnx.precision import Arithmetic, PrecisionError, float32_tensors, retype, write

HALVES: tuple[Arithmetic, ...] = ("f16", "bf16")
BATCHES = [vits.pixels(1, seed=1), vits.pixels(3, seed=2), vits.pixels(8, seed=3)]
GRAPHS: tuple[GraphName, ...] = (CLASSIFY, ATTENTION)
ELEMENT = {"f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
EPSILON = {"f16": 2.0**-11, "bf16": 2.0**-8}  # of rounding one number to nearest
COSINE = {"f16": 0.9999, "bf16": 0.998}  # of the worst row of any head; seen 0.99999 and 0.9989


def on_openvino(model: ModelProto, arithmetic: str) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    core, options = ov.Core(), {"INFERENCE_PRECISION_HINT": arithmetic, "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", options)
    names = [output.get_any_name() for output in compiled.outputs]
    return lambda batch: dict(zip(names, map(np.copy, compiled(batch).values()), strict=True))


def operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], precision: Arithmetic) -> None:
    """Within what rounding costs: the logits, the class, and rows that are still distributions and point the same way."""
    assert {name: (a.dtype, a.shape) for name, a in found.items()} == {
        name: (a.dtype, a.shape) for name, a in expected.items()
    }
    # Seen: 3 for f16, 4 for bf16; some ten roundings follow one another, seldom all the same way.
    worst = 8 * EPSILON[precision] * np.abs(expected["logits"]).max()
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=worst, rtol=0)
    clear = np.ptp(np.sort(expected["logits"], axis=1)[:, -2:], axis=1) > worst
    assert (found["logits"].argmax(1) == expected["logits"].argmax(1))[clear].all()
    rows, true = (np.concatenate([run["attention_prefix"], run["attention"]], axis=-1) for run in (found, expected))
    assert np.abs(rows.sum(-1) - 1).max() < 0.01
    cosine = (rows * true).sum(-1) / np.linalg.norm(rows, axis=-1) / np.linalg.norm(true, axis=-1)
    assert cosine.min() >= COSINE[precision]


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("family", FAMILY_NAMES)
class TestEveryFamily:
    @pytest.mark.parametrize("precision", HALVES)
    def test_the_graph_is_the_same_but_for_its_types(
        self, family: FamilyName, graph: GraphName, precision: Arithmetic
    ) -> None:
        model = vits.traced(family, graph)
        before = model.SerializeToString(deterministic=True)
        half = retype(model, precision)
        assert model.SerializeToString(deterministic=True) == before
        onnx.checker.check_model(half, full_check=True)
        assert [*half.graph.input] == [*model.graph.input]
        assert [*half.graph.output] == [*model.graph.output]
        casts = 1 + len(model.graph.output)  # after the normalisation, and before each output
        assert operators(half) - operators(model) == Counter(Cast=casts)
        assert operators(model) - operators(half) == Counter()
        assert operators(half)["Softmax"] == 2 + (1 if graph == CLASSIFY else 2)

    @pytest.mark.parametrize("precision", HALVES)
    def test_float32_is_left_in_outputs_and_normalisation(
        self, family: FamilyName, graph: GraphName, precision: Arithmetic
    ) -> None:
        half = retype(vits.traced(family, graph), precision)
        normalised = float32_tensors(half) - {output.name for output in half.graph.output}
        assert [node.op_type for node in half.graph.node if node.output[0] in normalised] == ["Cast", "Mul", "Add"]
        assert {tensor.data_type for tensor in half.graph.initializer if len(tensor.dims) > 1} == {ELEMENT[precision]}
        norms = [node for node in half.graph.node if node.op_type == "LayerNormalization"]
        assert len(norms) == 5
        stash = {a.i for node in norms for a in node.attribute if a.name == "stash_type"}
        assert stash == {TensorProto.FLOAT}, "LayerNormalization no longer computes in float32 inside"

    def test_f16_on_onnx_runtime(self, family: FamilyName, graph: GraphName) -> None:
        model = vits.traced(family, graph)
        half = retype(model, "f16")
        for batch in BATCHES:
            assert_close(vits.outputs(half, batch), vits.outputs(model, batch), "f16")


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_family_on_openvino(family: FamilyName, precision: Arithmetic) -> None:
    """f16 is computed in float32 there: what counts is the weights. bf16 is computed as such, where the processor can."""
    model = vits.traced(family, ATTENTION)
    run = on_openvino(retype(model, precision), "bf16" if precision == "bf16" else "f32")
    for batch in BATCHES:
        assert_close(run(batch), vits.outputs(model, batch), precision)


def test_graph_without_attention() -> None:
    model, batch = vits.traced(layers=1, attention=False), vits.pixels(3)
    half = retype(model, "f16")
    assert [output.name for output in half.graph.output] == ["logits"]
    np.testing.assert_allclose(vits.outputs(half, batch)["logits"], vits.outputs(model, batch)["logits"], atol=0.05)


def test_f32_is_an_equal_copy() -> None:
    model = vits.traced()
    copy = retype(model, "f32")
    assert copy == model
    copy.graph.node[0].name = "changed"
    assert model.graph.node[0].name != "changed"


def test_bf16_raises_the_opset_as_the_version_converter_would() -> None:
    model = vits.traced("deit-distilled")
    half, converted = retype(model, "bf16"), onnx.version_converter.convert_version(model, 22)
    assert [opset.version for opset in half.opset_import if not opset.domain] == [22]
    assert half.ir_version >= 10

    def meaning(graph: ModelProto) -> list[tuple[str, list[str]]]:
        return [(node.op_type, sorted(map(str, node.attribute))) for node in graph.graph.node]

    assert meaning(converted) == meaning(model), "the converter finds something to change between the opsets"


@pytest.mark.parametrize("operator", sorted(ONLY_WIDENED))
def test_what_may_be_raised_has_the_same_definition_but_for_types(operator: str) -> None:
    old, new = (onnx.defs.get_schema(operator, opset) for opset in (20, 23))
    assert {n: (a.type, a.required, a.default_value) for n, a in old.attributes.items()} == {
        n: (a.type, a.required, a.default_value) for n, a in new.attributes.items()
    }
    for before, after in ((old.inputs, new.inputs), (old.outputs, new.outputs)):
        assert [(p.name, p.option) for p in before] == [(p.name, p.option) for p in after]
        assert all(set(p.types) <= set(q.types) for p, q in zip(before, after, strict=True))


def test_an_operator_that_changes_up_to_opset_22_is_refused() -> None:
    model = graph_of(
        [helper.make_node("GroupNormalization", ["x", "one", "one"], ["logits"], num_groups=1)], one=[1.0, 1, 1]
    )
    with pytest.raises(OpsetError, match="operator GroupNormalization has another version in opset 22"):
        retype(model, "bf16")


def graph_of(nodes: list[onnx.NodeProto], **constants: object) -> ModelProto:
    """pixels uint8 [N, 3] -> x float32 -> `nodes` -> logits."""
    graph = helper.make_graph(
        [helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT), *nodes],
        "small",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.array(values, np.float32), name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize(
    ("precision", "value", "message"),
    [
        ("f16", -70000.0, "tensor weight: its largest value, 70000, is beyond the 65504 of float16"),
        ("bf16", 3.4e38, "tensor weight: its largest value, 3.4e+38, is beyond the 3.38953e+38 of bfloat16"),
    ],
)
def test_overflow_names_the_tensor(precision: Arithmetic, value: float, message: str) -> None:
    node = helper.make_node("MatMul", ["x", "weight"], ["logits"])
    weight = np.eye(3)
    weight[1, 2] = value
    with pytest.raises(PrecisionError) as raised:
        retype(graph_of([node], weight=weight), precision)
    assert message in str(raised.value)


@pytest.mark.parametrize("attribute", [{"value_float": 1e5}, {"value_floats": [1.0, 1e5, 0.0]}])
def test_overflow_in_a_constant_node(attribute: dict[str, object]) -> None:
    nodes = [helper.make_node("Constant", [], ["big"], **attribute), helper.make_node("Div", ["x", "big"], ["logits"])]
    with pytest.raises(PrecisionError, match="tensor big: its largest value, 100000"):
        retype(graph_of(nodes), "f16")


def test_types_that_do_not_fit_together_are_refused() -> None:
    # The scales of Resize have no other type than float32.
    model = graph_of([helper.make_node("Resize", ["x", "", "scales"], ["logits"])], scales=[1.0, 1])
    with pytest.raises(PrecisionError, match="types in the graph do not fit together"):
        retype(model, "f16")


def test_a_graph_that_would_stay_in_float32_is_refused_by_name() -> None:
    # The optional mean that LayerNormalization returns is of its stash_type.
    node = helper.make_node("LayerNormalization", ["x", "one"], ["logits", "mean"], axis=-1)
    with pytest.raises(PrecisionError, match="still computes mean in float32"):
        retype(graph_of([node], one=[1.0, 1, 1]), "f16")


def test_a_float32_island_is_seen() -> None:
    model = retype(vits.traced(), "f16")
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    wide = [
        helper.make_node("Cast", [softmax.input[0]], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Softmax", ["wide"], ["wide_softmax"], axis=-1),
        helper.make_node("Cast", ["wide_softmax"], [softmax.output[0]], to=TensorProto.FLOAT16),
    ]
    place = [*model.graph.node].index(softmax)
    nodes = [*model.graph.node[:place], *wide, *model.graph.node[place + 1 :]]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert float32_tensors(model) >= {"wide", "wide_softmax"}


def test_a_pixel_that_is_read_twice_is_normalised_in_the_new_type() -> None:
    nodes = [helper.make_node("Add", ["x", "one"], ["y"]), helper.make_node("Mul", ["y", "x"], ["logits"])]
    half = retype(graph_of(nodes, one=[1.0, 1, 1]), "f16")
    assert float32_tensors(half) == {"logits"}


def test_the_rest_of_an_fp8_graph() -> None:
    """Values in 8 bits stay as they are; their scales, and with them what DequantizeLinear returns, follow."""
    quantize = helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"])
    dequantize = helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["logits"])
    model = graph_of([quantize, dequantize], scale=0.5)
    model.graph.initializer.append(helper.make_tensor("zero", TensorProto.FLOAT8E4M3FN, [], [0.0]))
    half = retype(model, "f16")
    onnx.checker.check_model(half, full_check=True)
    assert {tensor.name: tensor.data_type for tensor in half.graph.initializer} == {
        "scale": TensorProto.FLOAT16,
        "zero": TensorProto.FLOAT8E4M3FN,
    }
    assert float32_tensors(half) == {"logits"}


def test_a_graph_of_a_bundle(tmp_path: Path) -> None:
    path = vits.written(tmp_path)[CLASSIFY]
    batch = vits.pixels(2)
    for name, values in vits.outputs(retype(onnx.load(path), "f16"), batch).items():
        np.testing.assert_array_equal(values, vits.outputs(retype(vits.traced(), "f16"), batch)[name])


def test_a_graph_inside_a_node_is_refused() -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["inner"])],
        "body",
        [],
        [helper.make_tensor_value_info("inner", 1, ["N", 3])],
    )
    nodes = [
        helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["yes"], ["logits"], name="choose", then_branch=body, else_branch=body),
    ]
    with pytest.raises(PrecisionError, match=r"node choose is a ai\.onnx If"):
        retype(graph_of(nodes), "f16")


def steps_of(kind: str, x: str, y: str) -> list[onnx.NodeProto]:
    """A way from tensor `x` to tensor `y`, both [N, 3]."""
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
    """`kinds` one after the other. Those with constants share them, so that one is read inside the normalisation and after it."""
    random = np.random.default_rng(seed)
    names = ["x", *(f"t{number}" for number in range(1, len(kinds))), "logits"]
    nodes = [n for number, kind in enumerate(kinds) for n in steps_of(kind, names[number], names[number + 1])]
    return graph_of(
        nodes, vector=magnitude * random.uniform(-1, 1, 3), matrix=magnitude * random.uniform(-1, 1, (3, 3))
    )


@settings(max_examples=80, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    magnitude=st.floats(2.0**-100, float(np.finfo(np.float32).max), width=32),
    seed=st.integers(0, 9),
    precision=st.sampled_from(HALVES),
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
    # Leading sums and products are the normalisation and stay in float32, but for the one that is the output.
    leading = next((i for i, kind in enumerate(kinds) if kind not in ("sum", "scale")), len(kinds) - 1)
    exact = {"x", *(f"t{number}" for number in range(1, leading + 1))} if leading else set()
    assert float32_tensors(half) == {"logits"} | exact
    assert all(tensor.data_type != TensorProto.FLOAT for tensor in half.graph.initializer) or exact


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    magnitude=st.floats(0.001, 0.3),
    seed=st.integers(0, 9),
)
def test_any_graph_computes_the_same_in_f16(kinds: list[str], magnitude: float, seed: int) -> None:
    model = random_graph(kinds, magnitude, seed)
    batch = np.random.default_rng(seed).integers(0, 256, (2, 3), np.uint8)
    found, expected = (vits.outputs(m, batch)["logits"] for m in (retype(model, "f16"), model))
    # A softmax turns the absolute error of scores near 255, an eighth, into a relative one.
    np.testing.assert_allclose(found, expected, atol=0.15 * max(1e-2, np.abs(expected).max()))


def test_one_file_holds_a_small_model(tmp_path: Path) -> None:
    model, path = retype(vits.traced(), "f16"), tmp_path / "classify.f16.onnx"
    write(model, path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert onnx.load(path) == model


def test_weights_over_the_limit_go_beside_the_file(tmp_path: Path) -> None:
    model, path = retype(vits.traced(), "f16"), tmp_path / "classify.f16.onnx"
    before = model.SerializeToString(deterministic=True)
    write(model, path, largest=1000)
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert sizes["classify.f16.onnx.data"] > 20 * sizes["classify.f16.onnx"]
    write(model, path, largest=1000)  # again: replaced, not appended
    assert {file.name: file.stat().st_size for file in tmp_path.iterdir()} == sizes
    assert model.SerializeToString(deterministic=True) == before
    batch = vits.pixels(2)
    for name, values in vits.outputs(onnx.load(path), batch).items():
        np.testing.assert_array_equal(values, vits.outputs(model, batch)[name])
    write(model, path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
