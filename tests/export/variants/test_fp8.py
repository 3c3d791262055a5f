"""Quantization to FP8, on the traced model."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.export.tracing import traced
from vitscope.export.variants.fp8 import E4M3, LARGEST, activation_ranges, products, quantize, scale

FAMILIES = ("vit", "deit", "dinov2")
BLOCKS = 2


def in_fp8(model: ir.Model, images: np.ndarray) -> ir.Model:
    return quantize(model, activation_ranges(model, images), names(model))


def names(model: ir.Model) -> list[str]:
    return [name for block in products(model).values() for name in block]


def side(model: ir.Model) -> int:
    shape = model.graph.inputs[0].shape
    assert shape is not None
    return int(shape[1])  # type: ignore[arg-type]


def pictures(side: int, brightest: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(0, brightest, (8, side, side, 3), np.uint8)


@pytest.fixture(scope="module")
def trace_of(checkpoints: dict[str, Path]) -> Callable[[str], ir.Model]:
    return cache(lambda family: traced(checkpoints[family]))


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request: pytest.FixtureRequest, trace_of: Callable[[str], ir.Model]) -> tuple[ir.Model, ir.Model]:
    """A traced model with the class token's rows, and the same in FP8."""
    model = trace_of(request.param)
    return model, in_fp8(model, pictures(side(model)))


@pytest.fixture(scope="module")
def model(trace_of: Callable[[str], ir.Model]) -> ir.Model:
    return trace_of("vit")


def kinds(node: ir.Node) -> list[str]:
    """Return the kinds of nodes that its inputs come from."""
    producers = [value.producer() for value in node.inputs if value is not None]
    return [producer.op_type if producer else "weights" for producer in producers]


def constants(model: ir.Model, suffix: str) -> dict[str, np.ndarray]:
    return {
        name.removesuffix(suffix): value.const_value.numpy()
        for name, value in model.graph.initializers.items()
        if name.endswith(suffix) and value.const_value is not None
    }


def test_every_product_of_a_block_is_between_e4m3_numbers(pair: tuple[ir.Model, ir.Model]) -> None:
    model, fp8 = pair
    blocks = products(model)
    assert list(blocks) == ["block 0", "block 1"]
    # q, k, v, output and the two of the MLP; q @ k^T and softmax @ v
    assert [len(block) for block in blocks.values()] == [6 + 2, 6 + 2]
    rounded = [node.name for node in fp8.graph if "DequantizeLinear" in kinds(node)]
    assert rounded == names(model)
    for node in fp8.graph:
        if node.name in rounded:
            assert kinds(node) == ["DequantizeLinear", "DequantizeLinear"], f"{node.name} is not multiplied in FP8"
    count = [sum(node.op_type == kind for node in fp8.graph) for kind in ("QuantizeLinear", "DequantizeLinear")]
    # Activations of a block: two norms, q, k, v, softmax, what attention gives, what GELU gives. Weights: six.
    assert count == [BLOCKS * 8, BLOCKS * (8 + 6)]


def test_the_rest_stays_as_it_is(pair: tuple[ir.Model, ir.Model]) -> None:
    model, fp8 = pair
    chosen = names(model)
    others = [
        node.name for node in model.graph if node.op_type in ("MatMul", "Gemm", "Conv") and node.name not in chosen
    ]
    assert len(others) == 1 + BLOCKS + 1  # patches, the rows of the class token, head
    for node in fp8.graph:
        if node.name in others:
            assert "DequantizeLinear" not in kinds(node)


def test_a_block_can_stay_as_it_is(pair: tuple[ir.Model, ir.Model]) -> None:
    model, _ = pair
    blocks = products(model)
    partly = quantize(model, activation_ranges(model, pictures(side(model))), blocks["block 1"])
    rounded = [node.name for node in partly.graph if "DequantizeLinear" in kinds(node)]
    assert rounded == blocks["block 1"]


def test_rows_read_what_attention_reads_before_rounding(pair: tuple[ir.Model, ir.Model]) -> None:
    model, fp8 = pair
    read = {node.name: [value.name for value in node.inputs if value] for node in model.graph}
    rows = [node for node in fp8.graph if node.op_type == "MatMul" and "Slice" in kinds(node)]
    assert len(rows) == BLOCKS
    for node in rows:
        assert [value.name for value in node.inputs if value] == read[node.name]


def test_the_traced_model_is_left_as_it_was(model: ir.Model) -> None:
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    in_fp8(model, pictures(32))
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_weights_are_rounded_as_ml_dtypes_and_torch_round_them(pair: tuple[ir.Model, ir.Model]) -> None:
    model, fp8 = pair
    originals = {
        name: v.const_value.numpy() for name, v in model.graph.initializers.items() if v.const_value is not None
    }
    weights, scales = constants(fp8, "/fp8"), constants(fp8, "/scale")
    assert len(weights) == BLOCKS * 6
    for name, weight in weights.items():
        assert weight.dtype == ml_dtypes.float8_e4m3fn
        fitted = originals[name] / scales[name]
        np.testing.assert_array_equal(weight, fitted.astype(ml_dtypes.float8_e4m3fn))
        by_torch = torch.from_numpy(fitted).to(torch.float8_e4m3fn).float().numpy()
        np.testing.assert_array_equal(weight.astype(np.float32), by_torch)
        assert np.abs(weight.astype(np.float32)).max() == LARGEST, "the range of E4M3 is not used"


def test_ranges_come_from_the_images(model: ir.Model) -> None:
    bright, dark = (constants(in_fp8(model, pictures(32, top)), "/scale") for top in (256, 20))
    weights = {name for name in bright if name in model.graph.initializers}
    softmaxes = {node.outputs[0].name for node in model.graph if node.op_type == "Softmax"}
    for name in bright:
        fixed = name in weights or name in softmaxes
        assert (bright[name] == dark[name]) is np.bool_(fixed), name
    used = {float(bright[name]) for name in softmaxes & bright.keys()}
    assert used == {np.float16(1 / 448)}, "no probability is larger than 1"


def test_the_engine_rounds_to_e4m3(model: ir.Model, tmp_path: Path) -> None:
    """The first product in ONNX Runtime gets E4M3 numbers times the scale."""
    fp8 = in_fp8(model, pictures(32))
    (first, *_) = [node for node in fp8.graph if node.op_type == "DequantizeLinear"]
    fp8.graph.outputs.append(first.outputs[0])
    before = first.inputs[0].producer().inputs[0]  # type: ignore[union-attr]
    assert before is not None and first.inputs[1] is not None and first.inputs[1].const_value is not None
    fp8.graph.outputs.append(before)
    ir.save(fp8, tmp_path / "fp8.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "fp8.onnx", providers=["CPUExecutionProvider"])
    rounded, exact = session.run([first.outputs[0].name, before.name], {"pixels": pictures(32)})
    step = first.inputs[1].const_value.numpy()
    expected = (exact / step).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * step
    np.testing.assert_array_equal(rounded, expected)
    assert not np.array_equal(rounded, exact)


@given(st.floats(0, LARGEST * 60_000))
def test_scales_are_float16_numbers_under_which_nothing_overflows(magnitude: float) -> None:
    step = scale(magnitude)
    assert step == np.float16(step) and 0 < step < np.inf
    quantized = (np.float32(magnitude) / step).astype(E4M3).astype(np.float32)
    assert quantized <= LARGEST  # E4M3 has no infinity: what does not fit is NaN, and no comparison with that holds
    if magnitude >= LARGEST * 2**-14:
        assert quantized == LARGEST
