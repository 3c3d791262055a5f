"""Real builds, by TensorRT-RTX, for a GPU that the machine does not have."""

from dataclasses import replace
from pathlib import Path
from typing import Unpack

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.export import checkpoints
from tests.server.engines import vits
from tests.server.engines.graphs import write_explaining_graph
from tests.server.engines.tensorrt import rtx, stubs
from vitscope.bundle import ATTENTION, CLASSIFY, Graph, GraphName, Output
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.preprocess import input_contract
from vitscope.export.graph import PixelClassifier, cut, trace
from vitscope.export.methods import Attention
from vitscope.export.size import Size
from vitscope.export.variants import fp8
from vitscope.server.engines.onnx.precision import Arithmetic, retype
from vitscope.server.engines.tensorrt.builder import BuildCancelled, BuildFailed, Options
from vitscope.server.engines.tensorrt.layers import fused_attention
from vitscope.server.engines.tensorrt.profiles import Range

pytestmark = pytest.mark.rtx

ONE = [Range(1, 8, 32)]
OUTPUTS = tuple(Output(name=name, shape=("N", 1)) for name in ("logits", "attention", "attention_prefix"))
ROWS: dict[GraphName, Graph] = {name: Graph(file=f"{name}.onnx", outputs=OUTPUTS) for name in (CLASSIFY, ATTENTION)}


def serialised(family: vits.FamilyName = "vit", precision: Arithmetic = "f16", **shape: Unpack[vits.Shape]) -> bytes:
    model: bytes = retype(vits.traced(family, ATTENTION, **shape), precision).SerializeToString()
    return model


@pytest.fixture(scope="module")
def small() -> bytes:
    return serialised()


@pytest.mark.parametrize("precision", ["f16", "bf16"])
@pytest.mark.parametrize("family", ["vit", "deit", "dinov2"])
def test_attention_stays_fused_beside_the_rows_of_every_layer(family: vits.FamilyName, precision: Arithmetic) -> None:
    built = rtx.built(serialised(family, precision), ONE)
    assert fused_attention(built.layers, 1) == 2
    assert len(built.layers) < 45


def test_float32_has_no_fused_attention() -> None:
    built = rtx.built(serialised(precision="f32"), ONE)
    assert built.layers
    assert fused_attention(built.layers, 1) == 0


def test_fp8_is_fused_too_and_only_where_it_is_in_hardware(tmp_path: Path) -> None:
    quantized = in_fp8(tmp_path)
    assert fused_attention(rtx.built(quantized, ONE).layers, 1) == 2
    with pytest.raises(BuildFailed, match=r"makes no plan of the graph\n  - .*sm86.*fp8"):
        rtx.built(quantized, ONE, Options(target="SM86"))


def in_fp8(folder: Path) -> bytes:
    """Export a ViT of 197 tokens in FP8; with only dozens of tokens, TensorRT does not fuse attention in FP8."""
    shape = {
        "hidden_size": 192,
        "intermediate_size": 768,
        "num_attention_heads": 3,
        "image_size": 224,
        "patch_size": 16,
    }
    model, _ = checkpoints.vit(**shape)
    processor = ViTImageProcessorPil(size={"height": 224, "width": 224})
    checkpoint = load_checkpoint(str(checkpoints.save(folder / "checkpoint", (model, processor))))
    contract = input_contract(checkpoint.processor)
    model, family = checkpoint.model, checkpoint.family
    module = PixelClassifier(model, family, contract, family.geometry(model, Size(224, 224)), [Attention()])
    traced = trace(module, contract, ROWS)
    chosen = [node for block in fp8.products(traced).values() for node in block]
    quantized = fp8.quantize(traced, fp8.activation_ranges(traced, vits.pixels(2, 224)), chosen)
    model = retype(ir.to_proto(cut(quantized, ROWS)[ATTENTION]), "f16")
    serialised: bytes = model.SerializeToString()
    return serialised


def test_all_twelve_layers_of_a_vit_base_stay_fused() -> None:
    built = rtx.built(serialised(layers=12, width=768, heads=12, image=224), ONE)
    assert fused_attention(built.layers, 1) == 12
    assert len(built.plan) > 2 * 85e6  # the weights, two bytes each


def test_a_graph_as_a_bundle_holds_it_is_built_from_its_file(tmp_path: Path) -> None:
    paths = vits.written(tmp_path)
    built = rtx.built(paths[CLASSIFY], ONE)
    assert built.plan
    (tmp_path / "graphs/weights.bin").unlink()
    with pytest.raises(BuildFailed, match=r"TensorRT cannot read classify\.onnx\n(?s:.*)weights\.bin"):
        rtx.built(paths[CLASSIFY])


def test_each_range_has_kernels_of_its_own(small: bytes) -> None:
    one, three = rtx.built(small, ONE), rtx.built(small)
    assert len(three.plan) > len(one.plan)
    assert len(three.layers) > 2 * len(one.layers)
    assert fused_attention(one.layers, 1) == fused_attention(three.layers, 3) == 2


@pytest.mark.parametrize(
    "options",
    [
        replace(rtx.ADA, workspace=2**28),
        replace(rtx.ADA, optimization_level=5),
        replace(rtx.ADA, timing_cache=b"of something else"),
        Options(target="SM86"),
        Options(target="SM120"),
    ],
)
def test_options_make_a_plan_too(small: bytes, options: Options) -> None:
    built = rtx.built(small, ONE, options)
    assert built.plan
    assert fused_attention(built.layers, 1) == 2


@pytest.mark.parametrize("level", [-1, 6])
def test_a_wrong_optimization_level_is_refused(level: int) -> None:
    with pytest.raises(ValueError, match=rf"optimization_level is {level}; accepted: 0 to 5"):
        Options(optimization_level=level)


def test_an_unknown_target_is_refused(small: bytes) -> None:
    with pytest.raises(BuildFailed, match=r"target is SM90; accepted: .*SM86, SM89"):
        rtx.built(small, ONE, Options(target="SM90"))


def test_arithmetic_that_the_target_lacks_is_named() -> None:
    with pytest.raises(BuildFailed, match=r"makes no plan of the graph\n  - .*sm75.*b16"):
        rtx.built(serialised(precision="bf16"), ONE, Options(target="SM75"))


def test_an_empty_workspace_is_refused() -> None:
    with pytest.raises(ValueError, match=r"workspace is 0; accepted: 1 byte and more"):
        Options(workspace=0)


def test_progress_is_reported_to_the_end(small: bytes) -> None:
    reports = rtx.progress(small)
    assert all(line and 0 <= done <= 1 for line, done in reports)
    assert reports[-1][1] == 1


def test_a_build_can_be_cancelled(small: bytes) -> None:
    with pytest.raises(BuildCancelled, match="the build of the graph was cancelled"):
        rtx.progress(small, cancel_at=2)


def test_without_ranges_there_is_no_plan(small: bytes) -> None:
    with pytest.raises(BuildFailed, match=r"TensorRT makes no plan of the graph\n  - .*no optimization profile"):
        rtx.built(small, [])


def test_a_range_that_ends_before_it_starts_is_named(small: bytes) -> None:
    with pytest.raises(BuildFailed, match=r"TensorRT refuses the batch sizes of Range\(min=9, opt=8, max=4\)"):
        rtx.built(small, [Range(9, 8, 4)])


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(BuildFailed, match=r"TensorRT cannot read the graph\n  - "):
        rtx.built(b"no model at all")


def test_an_empty_model_has_no_input() -> None:
    with pytest.raises(BuildFailed, match=r"the graph's input is missing; accepted: one, uint8 \[-1, H, W, 3\]"):
        rtx.built(b"")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"TensorRT cannot read absent\.onnx\n  - .*absent\.onnx"):
        rtx.built(tmp_path / "absent.onnx")


def graph(kind: int, shape: list[str | int], *nodes: onnx.NodeProto) -> bytes:
    """Build a graph of one input `pixels` and one output `logits`: the result of the nodes, as float32."""
    last = nodes[-1].output[0] if nodes else "pixels"
    body = helper.make_graph(
        [*nodes, helper.make_node("Cast", [last], ["logits"], to=TensorProto.FLOAT)],
        "test",
        [helper.make_tensor_value_info("pixels", kind, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones((3, 4), np.float16), "matrix")],
    )
    model: bytes = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", 20)], ir_version=10
    ).SerializeToString()
    return model


NHWC: list[str | int] = ["N", 8, 8, 3]


def test_a_node_that_tensorrt_refuses_is_named() -> None:
    moved = helper.make_node("Transpose", ["pixels"], ["moved"], name="too_early", perm=[0, 3, 1, 2])
    with pytest.raises(BuildFailed, match=r"cannot read the graph\n  - .*too_early: .*UInt8"):
        rtx.built(graph(TensorProto.UINT8, NHWC, moved))


def test_types_are_not_mixed() -> None:
    floats = helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT)
    product = helper.make_node("MatMul", ["floats", "matrix"], ["product"], name="mixed")
    with pytest.raises(BuildFailed, match=r"cannot read the graph\n  - .*mixed: .* same input types"):
        rtx.built(graph(TensorProto.UINT8, NHWC, floats, product))


@pytest.mark.parametrize(
    ("kind", "shape", "found"),
    [
        (TensorProto.FLOAT, NHWC, r"pixels float \[-1, 8, 8, 3\]"),
        (TensorProto.UINT8, [1, 8, 8, 3], r"pixels uint8 \[1, 8, 8, 3\]"),
        (TensorProto.UINT8, ["N", 3, 8, 8], r"pixels uint8 \[-1, 3, 8, 8\]"),
    ],
)
def test_another_input_is_refused(kind: int, shape: list[str | int], found: str) -> None:
    with pytest.raises(BuildFailed, match=rf"the graph's input is {found}; accepted: one, uint8 \[-1, H, W, 3\]"):
        rtx.built(graph(kind, shape))


@pytest.mark.parametrize("version", stubs.VERSIONS)
def test_an_error_says_that_tensorrt_does_not_start(version: str) -> None:
    with pytest.raises(BuildFailed, match=r"TensorRT does not start; is there a GPU with a driver\?\n  - "):
        stubs.process(version).submit(rtx.build_with, "tensorrt_bindings", b"", rtx.THREE, Options()).result(timeout=60)


def test_a_graph_that_explains_classes_has_a_second_range_in_each_profile(tmp_path: Path) -> None:
    write_explaining_graph(tmp_path / "graph.onnx")
    assert rtx.built(tmp_path / "graph.onnx", ONE).plan
