"""Traced models of checkpoints, as the pipeline makes them."""

from collections.abc import Sequence
from pathlib import Path

import onnx_ir as ir

from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import input_contract, output_size
from vitscope.export.graph import PixelClassifier, describe_graphs, trace
from vitscope.export.methods import Method


def traced(folder: Path, methods: Sequence[Method] = ()) -> ir.Model:
    """Trace a checkpoint, with the outputs of these methods in all graphs."""
    checkpoint = load_checkpoint(str(folder))
    model, family = checkpoint.model, checkpoint.family
    contract, size = input_contract(checkpoint.processor), output_size(checkpoint.processor)
    tokens = token_geometry(model, family, size)
    graphs = describe_graphs(family.sizes(model), len(checkpoint.labels), tokens, methods)
    family.freeze(model, size)
    return trace(PixelClassifier(model, family, contract, tokens, methods), contract, graphs)
