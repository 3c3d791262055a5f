"""Attention as it is exported, against PyTorch's own."""

import pytest
import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.graph.attention import FusedAttention
from vitscope.export.methods import Attention

TOKENS = TokenGeometry(patch_height=8, patch_width=8, grid_rows=2, grid_cols=3, pooling="cls")


@pytest.mark.parametrize("biased", [False, True])
def test_equals_scaled_dot_product_attention_and_its_first_row(biased: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 16, generator=generator) for _ in range(3))
    bias = torch.randn(1, 3, 7, 7, generator=generator) if biased else None
    attend = FusedAttention([Attention()], 1, TOKENS)
    out = attend(query, key, value, bias, 0.25)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, bias, scale=0.25)
    torch.testing.assert_close(out, expected)
    matrix = torch.softmax(query @ key.mT * 0.25 + (0 if bias is None else bias), -1)
    torch.testing.assert_close(attend.kept[0]["attention"], matrix[:, :, 0])


def test_without_methods_nothing_is_kept() -> None:
    tokens = torch.ones(1, 2, 3, 4)
    attend = FusedAttention([], 1, TOKENS)
    attend(tokens, tokens, tokens, None, 1.0)
    assert attend.kept == [{}]
