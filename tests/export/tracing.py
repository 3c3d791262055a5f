"""Traced models of checkpoints, as the pipeline makes them."""

from pathlib import Path

import onnx_ir as ir
from filelock import FileLock

from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import input_contract, output_size
from vitscope.export.graph import PixelClassifier, describe_graphs, trace
from vitscope.export.methods import Attention


def traced(folder: Path) -> ir.Model:
    """Trace a checkpoint, with the rows of attention in all graphs. Kept beside the checkpoint, for all processes."""
    kept = folder.with_suffix(".onnx")
    with FileLock(folder.with_suffix(".lock")):
        if not kept.exists():
            ir.save(_traced(folder), kept)
    return ir.load(kept)


def _traced(folder: Path) -> ir.Model:
    checkpoint = load_checkpoint(str(folder))
    model, family = checkpoint.model, checkpoint.family
    contract, size = input_contract(checkpoint.processor), output_size(checkpoint.processor)
    tokens, methods = token_geometry(model, family, size), [Attention()]
    graphs = describe_graphs(family.sizes(model), len(checkpoint.labels), tokens, methods)
    family.freeze(model, size)
    return trace(PixelClassifier(model, family, contract, tokens, methods), contract, graphs)
