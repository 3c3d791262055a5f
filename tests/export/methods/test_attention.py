"""The attention method: its outputs, and the rows that the certificate compares."""

from typing import Literal

import numpy as np
import pytest
import torch

from tests.export.checkpoints import dinov2
from vitscope.bundle import AttentionFrom, TokenGeometry
from vitscope.export.families import FAMILIES
from vitscope.export.methods import Attention, Dimensions, Forward, Place, Scores, Subject

TOKENS = TokenGeometry(
    patch_height=8, patch_width=8, grid_rows=3, grid_cols=4, register_tokens=4, pooling="cls+mean"
)  # fmt: skip


@pytest.fixture
def forward() -> Forward:
    """A pass of a model with five prefix tokens, three layers, two heads and two images."""
    generator = torch.Generator().manual_seed(0)
    layers = [{"attention": torch.rand(2, 2, 17, generator=generator)} for _ in range(3)]
    nothing = torch.empty(0)
    family = FAMILIES["Dinov2WithRegistersForImageClassification"]
    return Forward(Subject(dinov2(registers=4)[0], family, TOKENS), nothing, nothing, nothing, layers)


def test_traced_outputs_have_the_shapes_that_are_described(forward: Forward) -> None:
    described, traced = Attention().outputs(Dimensions(3, 2, 8, 5, TOKENS)), Attention().trace(forward)
    shapes = {graph: [(2, *output.shape[1:]) for output in outputs] for graph, outputs in described.items()}
    assert {graph: [tuple(t.shape) for t in tensors] for graph, tensors in traced.items()} == shapes
    assert shapes == {"classify": [(2, 2, 12), (2, 2, 5)], "attention": [(2, 3, 2, 12), (2, 3, 2, 5)]}


def test_rows_of_a_graph_are_those_of_the_reference(forward: Forward) -> None:
    method = Attention()
    reference = method.reference(forward).numpy()
    for graph, tensors in method.trace(forward).items():
        outputs = dict(zip(("attention", "attention_prefix"), (t.numpy() for t in tensors), strict=True))
        rows, expected = method.rows(outputs), method.expected(graph, reference)
        assert rows is not None
        np.testing.assert_array_equal(rows.reshape(expected.shape), expected)
    assert method.rows({"logits": reference}) is None


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    ("source", "prefix", "layer"), [("class_token", 1, 1), ("mean_of_patches", 1, 2), ("pooling_probe", 0, 3)]
)
def test_a_side_branch_is_what_is_kept_of_the_matrix(
    source: AttentionFrom, prefix: Literal[0, 1], layer: int, biased: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 3, 7, 4, generator=generator), torch.randn(2, 3, 4, 7, generator=generator)
    bias = torch.randn(1, 3, 7, 7, generator=generator) if biased else None
    matrix = torch.softmax(query @ key + (0 if bias is None else bias), dim=-1)
    grid = {"grid_rows": 1, "grid_cols": 7 - prefix}
    tokens = TOKENS.model_copy(update={"attention_from": source, "cls_tokens": prefix, "register_tokens": 0, **grid})
    place = Place(layer, 3, tokens)
    kept = Attention().keep(matrix, place)
    expected = matrix[:, :, 0] if source == "class_token" else matrix[:, :, prefix:].mean(dim=2)
    assert kept is not None
    torch.testing.assert_close(kept, expected)
    torch.testing.assert_close(Attention().side_branch(Scores(query, key, bias, key.mT, kept), place), kept)
    assert kept.untyped_storage().nbytes() == kept.nbytes, "a view keeps the whole matrix in memory"


def test_a_pooling_query_that_is_given_the_patches_alone_attends_to_no_prefix_token() -> None:
    update = {"attention_from": "pooling_probe", "cls_tokens": 0, "register_tokens": 4, "grid_rows": 1, "grid_cols": 6}
    matrix = torch.rand(2, 3, 1, 6)
    kept = Attention().keep(matrix, Place(3, 3, TOKENS.model_copy(update=update)))
    assert kept is not None
    torch.testing.assert_close(kept, torch.cat([torch.zeros(2, 3, 4), matrix[:, :, 0]], dim=-1))


@pytest.mark.parametrize(("source", "layers"), [("class_token", [0, 1, 2]), ("mean_of_patches", [2]), (None, [])])
def test_layers_that_are_not_asked_for_are_not_computed(source: AttentionFrom | None, layers: list[int]) -> None:
    tokens = TOKENS.model_copy(update={"attention_from": source})
    kept = [Attention().keep(torch.ones(1, 1, 2, 2), Place(layer, 3, tokens)) for layer in range(4)]
    assert [number for number, found in enumerate(kept) if found is not None] == layers
    family = FAMILIES["ViTForImageClassification"]
    assert bool(Attention().why_not(Subject(None, family, tokens))) == (source is None)
