"""The attention method: its outputs, and the rows that the certificate compares."""

import numpy as np
import pytest
import torch

from tests.export.checkpoints import dinov2
from vitscope.bundle import TokenGeometry
from vitscope.export.checkpoint.families import FAMILIES
from vitscope.export.methods import Attention, Dimensions, Forward

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
    return Forward(dinov2(registers=4)[0], family, nothing, nothing, nothing, layers)


def test_traced_outputs_have_the_shapes_that_are_described(forward: Forward) -> None:
    described, traced = Attention().outputs(Dimensions(3, 2, TOKENS)), Attention().trace(forward)
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


def test_a_side_branch_is_the_first_row_of_the_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 3, 7, 4, generator=generator), torch.randn(2, 3, 4, 7, generator=generator)
    matrix = torch.softmax(query @ key, dim=-1)
    kept = Attention().keep(matrix)
    torch.testing.assert_close(Attention().side_branch(query, key), kept)
    assert kept.untyped_storage().nbytes() == kept.nbytes, "a view keeps the whole matrix in memory"
