"""The traced module, and the graphs that are cut from its model."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.export.fused import assert_fused
from tests.export.tracing import traced
from vitscope.bundle import Bundle, Graph, GraphName
from vitscope.export.checkpoint import load_checkpoint
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import input_contract, output_size
from vitscope.export.graph import PixelClassifier, cut, describe_graphs
from vitscope.export.methods import Attention, Method


@pytest.mark.parametrize("methods", [[], [Attention()]], ids=["plain", "with methods"])
def test_the_module_normalises_and_returns_outputs_graph_by_graph(
    methods: list[Method], checkpoints: dict[str, Path]
) -> None:
    checkpoint = load_checkpoint(str(checkpoints["vit"]))
    model, contract = checkpoint.model, input_contract(checkpoint.processor)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    with torch.inference_mode():
        normalised = checkpoint.processor(list(pixels), return_tensors="pt")["pixel_values"]
        expected = model(normalised).logits
        tokens = token_geometry(model, checkpoint.family, output_size(checkpoint.processor))
        module = PixelClassifier(model, checkpoint.family, contract, tokens, methods)
        logits, *added = module(torch.from_numpy(pixels))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)
    graphs = describe_graphs(checkpoint.family.sizes(model), 5, tokens, methods)
    described = [(3, *output.shape[1:]) for graph in graphs.values() for output in graph.outputs[1:]]
    assert [tuple(tensor.shape) for tensor in added] == described


def test_a_cut_graph_has_only_its_own_outputs_and_leaves_the_model(checkpoints: dict[str, Path]) -> None:
    model = traced(checkpoints["vit"])
    names = [value.name for value in model.graph.outputs]
    graphs: tuple[GraphName, ...] = ("classify", "attention")
    parts = cut(model, {name: Graph(file=f"{name}.onnx", outputs=()) for name in graphs})
    for part in parts.values():
        assert [value.name for value in part.graph.outputs] == ["logits", "attention", "attention_prefix"]
        assert part.graph.num_nodes() < model.graph.num_nodes()
    assert [value.name for value in model.graph.outputs] == names and names[1] == "classify/attention"


def test_only_the_evidence_graph_asks_for_classes_and_for_nothing_else_twice(bundles: dict[str, Bundle]) -> None:
    """No other graph reads `target_class`, attention stays fused, and the weights are those of the other graphs."""
    bundle = bundles["vit"]
    inputs = {name: onnx_inputs(bundle.graph_path(name)) for name in bundle.manifest.graphs}
    pixels = ("pixels", ("N", 32, 32, 3))
    assert inputs == {
        "classify": [pixels], "attention": [pixels], "full": [pixels],
        "evidence": [pixels, ("target_class", ("N", "K"))],
    }  # fmt: skip
    assert_fused(bundle.graph_path("evidence"), bundle.manifest.layers)
    used = {name: external(bundle.graph_path(name)) for name in inputs}
    assert used["evidence"] <= used["classify"] and len(used["classify"]) > 4


def onnx_inputs(path: Path) -> list[tuple[str, tuple[int | str, ...]]]:
    found = []
    for value in onnx.load(path, load_external_data=False).graph.input:
        dims = value.type.tensor_type.shape.dim
        found.append((value.name, tuple(dim.dim_value or dim.dim_param for dim in dims)))
    return found


def external(path: Path) -> set[str]:
    """Return where in the weights file the tensors of a graph lie."""
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    return {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "offset"}
