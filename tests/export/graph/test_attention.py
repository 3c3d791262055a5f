"""Attention as it is exported, against PyTorch's own."""

import pytest
import torch
from transformers import AttentionInterface

from vitscope.export.graph.attention import attend, register
from vitscope.export.methods import Attention


def test_equals_scaled_dot_product_attention_and_its_first_row() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 16, generator=generator) for _ in range(3))
    side_branch = Attention().side_branch
    out, row = attend(torch.nn.Identity(), query, key, value, None, scaling=0.25, side_branches=side_branch)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=0.25)
    torch.testing.assert_close(out, expected.transpose(1, 2))
    torch.testing.assert_close(row, torch.softmax(query @ key.mT * 0.25, -1)[:, :, 0])
    assert attend(torch.nn.Identity(), query, key, value, None, scaling=0.25)[1] is None


def test_it_is_registered_by_the_names_of_the_methods() -> None:
    assert (register([]), register([Attention()])) == ("vitscope", "vitscope_attention")
    tokens = torch.ones(1, 2, 3, 4)
    _, kept = AttentionInterface()["vitscope_attention"](torch.nn.Identity(), tokens, tokens, tokens, None, scaling=1.0)
    assert kept.keys() == {"attention"} and kept["attention"].shape == (1, 2, 3)


def test_a_mask_is_refused() -> None:
    tokens = torch.zeros(1, 1, 2, 4)
    with pytest.raises(ValueError, match="mask"):
        attend(torch.nn.Identity(), tokens, tokens, tokens, torch.ones(1, 1, 2, 2), scaling=1.0)
