"""INT8: the linear layers of the encoder blocks in 8 bits, by NNCF's post-training quantization with SmoothQuant."""

import ast
import io
import os
import re
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import onnx_ir as ir

from vitscope.export.graph import INPUT

Layers = dict[str, list[str]]
"""Names of linear nodes by the half of the encoder block that they are in, such as "block 3 mlp", first to last."""

LARGEST = 2**31 - 2**24  # bytes of a model that one protobuf message holds, with room for its nodes
_SCOPES = "pkg.torch.onnx.name_scopes"
_HALF = re.compile(r"\.layers?\.(\d+)\.(\w+)")


def linear_layers(model: ir.Model) -> Layers:
    """The products with weights in the encoder blocks of a traced model: 95 % of a ViT-B's arithmetic, and all that int8 is for.

    The attention products stay in floating point: in 8 bits they cost the maps most and gain least. So do the head, which is one
    token's work, and the patch embedding, whose 8-bit form with zero points OpenVINO 2026.4 computes wrongly.
    """
    layers: Layers = {}
    for node in model.graph:
        scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))
        half = next((match for scope in reversed(scopes) if (match := _HALF.search(scope))), None)
        if half and node.op_type == "MatMul" and node.inputs[1] is not None and node.inputs[1].is_initializer():
            layers.setdefault(f"block {half[1]} {half[2]}", []).append(node.name or "")
    return layers


def weight_bytes(model: ir.Model) -> int:
    """Bytes of the weights."""
    return sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value)


def quantize(model: ir.Model, nodes: Iterable[str], images: np.ndarray) -> ir.Model:
    """A copy of a traced model with `nodes` in 8 bits, between QuantizeLinear and DequantizeLinear nodes.

    images: uint8 [M, H, W, 3], what the ranges of activations come from. Weights are int8 per output channel, activations
    int8 per tensor, both symmetric. SmoothQuant (arXiv:2211.10438) moves outlying channels into the weights. The model must be
    smaller than LARGEST.
    """
    # NNCF's telemetry would call home; this is the switch it has.
    os.environ.setdefault("NNCF_CI", "1")
    import nncf

    nncf.set_log_level("ERROR")
    chosen = set(nodes)
    others = [n.name for n in model.graph if n.op_type in ("MatMul", "Gemm", "Conv") and n.name not in chosen]
    inputs: list[Any] = [{INPUT: image[np.newaxis]} for image in images]
    with redirect_stdout(io.StringIO()):  # its progress bars; ours are on stderr
        quantized = nncf.quantize(
            ir.to_proto(model),
            nncf.Dataset(inputs),
            preset=nncf.QuantizationPreset.PERFORMANCE,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(names=others),
            # Measured on the bundled example: no closer to the checkpoint with it.
            advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
        )
    result: ir.Model = ir.from_proto(quantized)
    return result


def bypass(quantized: ir.Model, nodes: Iterable[str]) -> ir.Model:
    """A copy in which the activations that `nodes` read are not rounded to 8 bits."""
    model, chosen = quantized.clone(), set(nodes)
    for node in model.graph:
        if node.name in chosen:
            dequantize = node.inputs[0].producer() if node.inputs[0] else None
            quantize = dequantize.inputs[0].producer() if dequantize and dequantize.inputs[0] else None
            assert quantize and quantize.op_type == "QuantizeLinear", f"{node.name} reads no quantized activations"
            node.replace_input_with(0, quantize.inputs[0])
    return model
