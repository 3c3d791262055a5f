"""Graphs in another precision compute the same as in float32, on engines that run without a GPU."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.server.engines import vits
from tests.server.engines.onnx.small import graph_of
from tests.server.engines.vits import FAMILY_NAMES, FamilyName
from vitscope.bundle import ATTENTION, CLASSIFY, GraphName
from vitscope.export.certificate.engines import core
from vitscope.server.engines.onnx.opset import ONLY_WIDENED, OpsetError
from vitscope.server.engines.onnx.precision import Arithmetic, PrecisionError, float32_tensors, retype, write

PRECISIONS: tuple[Arithmetic, ...] = ("f16", "bf16")
BATCHES = [vits.pixels(1, seed=1), vits.pixels(3, seed=2), vits.pixels(8, seed=3)]
GRAPHS: tuple[GraphName, ...] = (CLASSIFY, ATTENTION)
ELEMENT = {"f16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
EPSILON = {"f16": 2.0**-11, "bf16": 2.0**-8}  # of rounding one number to nearest
COSINE = {"f16": 0.9999, "bf16": 0.998}  # of the worst row of any head; measured: 0.99999 and 0.9989


def on_openvino(model: ModelProto, arithmetic: str) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    options = {"INFERENCE_PRECISION_HINT": arithmetic, "INFERENCE_NUM_THREADS": 1}
    compiled = core().compile_model(core().read_model(model.SerializeToString()), "CPU", options)
    names = [output.get_any_name() for output in compiled.outputs]
    return lambda batch: dict(zip(names, map(np.copy, compiled(batch).values()), strict=True))


def operators(model: ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def assert_close(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], precision: Arithmetic) -> None:
    """Assert that logits, class and attention rows differ by no more than rounding, and that rows are distributions."""
    assert {name: (a.dtype, a.shape) for name, a in found.items()} == {
        name: (a.dtype, a.shape) for name, a in expected.items()
    }
    # Measured: 3 for f16, 4 for bf16. Some ten roundings follow one another, seldom in the same direction.
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
    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_only_the_types_of_the_graph_change(
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

    @pytest.mark.parametrize("precision", PRECISIONS)
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


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_family_on_openvino(family: FamilyName, precision: Arithmetic) -> None:
    """OpenVINO computes f16 in float32, so only the weights differ; bf16 is bf16 where the processor has it."""
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
def test_operators_of_a_raised_opset_differ_only_in_types(operator: str) -> None:
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


def test_a_float32_island_is_found() -> None:
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
    """Values in 8 bits are kept; their scales, and so the outputs of DequantizeLinear, are retyped."""
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
