import pytest
import torch

from vitscope.export.attention import attend


def test_equals_scaled_dot_product_attention_and_its_first_row() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 16, generator=generator) for _ in range(3))
    out, row = attend(torch.nn.Identity(), query, key, value, None, scaling=0.25, row=True)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=0.25)
    torch.testing.assert_close(out, expected.transpose(1, 2))
    assert row is not None
    torch.testing.assert_close(row, torch.softmax(query @ key.mT * 0.25, -1)[:, :, 0])
    assert attend(torch.nn.Identity(), query, key, value, None, scaling=0.25)[1] is None


def test_a_mask_is_refused() -> None:
    tokens = torch.zeros(1, 1, 2, 4)
    with pytest.raises(ValueError, match="mask"):
        attend(torch.nn.Identity(), tokens, tokens, tokens, torch.ones(1, 1, 2, 2), scaling=1.0)
