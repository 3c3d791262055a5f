"""INT8: the linear layers of the encoder blocks in 8 bits, by NNCF's post-training quantization with SmoothQuant."""

import io
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from vitscope.bundle import INT8, Certificate, GraphName, Variant
from vitscope.export.certificate.engines import candidates, int8_candidate
from vitscope.export.graph import INPUT
from vitscope.export.progress import Reporter
from vitscope.export.variants.blocks import Layers, linear_layers
from vitscope.export.variants.form import Source

LARGEST = 2**31 - 2**24  # bytes of a model that one protobuf message holds, with room for its nodes


class Int8:
    """Int8 in any of the halves of encoder blocks, on OpenVINO.

    The attention products stay in floating point: in 8 bits they add most to the error of the maps and gain least. So
    do the head, which is one token's work, and the patch embedding, whose 8-bit form with zero points OpenVINO 2026.4
    computes wrongly.
    """

    variant: Variant = INT8
    unit = "block halves"

    def __init__(self, source: Source, certificate: Certificate, reporter: Reporter) -> None:
        bf16 = certificate.entry("openvino", "bf16")
        self.candidate = int8_candidate(bf16_certified=bf16 is not None and bf16.passed)
        (self.exact,) = [candidate for candidate in candidates() if candidate.key == "openvino/f32"]
        self.why_not = self.candidate.missing
        if (found := weight_bytes(source.traced)) > LARGEST:
            self.why_not = (
                f"its float32 weights take {found / 1e9:.1f} GB, quantization takes up to {LARGEST / 1e9:.1f} GB"
            )
        self._source = source
        self.blocks: Layers = linear_layers(source.traced)

    def write(self, paths: Mapping[GraphName, Path], floats: Collection[str]) -> None:
        """Quantize and write the graphs with the block halves `floats` left in floating point."""
        nodes = [node for block in self.blocks.keys() - set(floats) for node in self.blocks[block]]
        self._quantized = quantize(self._source.traced, nodes, self._source.images)
        self._source.write(self._quantized, paths, INT8)

    def write_without(self, name: GraphName, path: Path, block: str) -> None:
        """Write one graph as last quantized, but with the activations of a block half not rounded."""
        self._source.write(bypass(self._quantized, self.blocks[block]), {name: path}, INT8)


def weight_bytes(model: ir.Model) -> int:
    """Return the bytes of the weights."""
    return sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value)


def quantize(model: ir.Model, nodes: Iterable[str], images: np.ndarray) -> ir.Model:
    """Copy a traced model with `nodes` in 8 bits, between QuantizeLinear and DequantizeLinear nodes.

    images: uint8 [M, H, W, 3], for the ranges of activations. Weights are int8 per output channel, activations int8 per
    tensor, both symmetric. SmoothQuant (arXiv:2211.10438) moves outlying channels into the weights. The model must be
    smaller than LARGEST.
    """
    # This turns off NNCF's telemetry, which would send data home.
    os.environ.setdefault("NNCF_CI", "1")
    import nncf

    nncf.set_log_level("ERROR")
    chosen = set(nodes)
    others = [n.name for n in model.graph if n.op_type in ("MatMul", "Gemm", "Conv") and n.name not in chosen]
    inputs: list[Any] = [{INPUT: image[np.newaxis]} for image in images]
    with redirect_stdout(io.StringIO()):  # NNCF's progress bars; those of the export are on stderr
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
    """Copy a quantized model so that the activations that `nodes` read are not rounded to 8 bits."""
    model, chosen = quantized.clone(), set(nodes)
    for node in model.graph:
        if node.name in chosen:
            dequantize = node.inputs[0].producer() if node.inputs[0] else None
            quantize = dequantize.inputs[0].producer() if dequantize and dequantize.inputs[0] else None
            assert quantize and quantize.op_type == "QuantizeLinear", f"{node.name} reads no quantized activations"
            node.replace_input_with(0, quantize.inputs[0])
    return model
