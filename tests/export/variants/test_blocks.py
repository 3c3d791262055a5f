"""The linear layers of the encoder blocks, in the traced models of all families."""

from pathlib import Path

import pytest

from tests.export.checkpoints import MAKERS
from tests.export.tracing import traced
from vitscope.export.variants.blocks import linear_layers


@pytest.mark.parametrize("family", MAKERS)
def test_the_linear_layers_of_every_family_are_found(family: str, checkpoints: dict[str, Path]) -> None:
    layers = linear_layers(traced(checkpoints[family]))
    assert list(layers) == ["block 0 attention", "block 0 mlp", "block 1 attention", "block 1 mlp"]
    assert [len(nodes) for nodes in layers.values()] == [4, 2, 4, 2]  # q, k, v and output; two of the MLP
