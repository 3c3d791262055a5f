"""Linear heads, taken apart into the shares of the patches, and read at every token (logit lens)."""

from collections.abc import Sequence

import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.families.family import Linear


def norm_then_mean(patches: torch.Tensor, head: torch.nn.Linear) -> Linear:
    """Take apart a head on the mean of patches that are normed one by one, or not at all. patches: [N, P, D]."""
    return Linear(patches, head.weight, _bias(head))


def mean_then_norm(patches: torch.Tensor, norm: torch.nn.LayerNorm, head: torch.nn.Linear) -> Linear:
    """Take apart a head on the LayerNorm of the mean of patches: linear too, with the variance of that mean as given.

    patches: [N, P, D], before the norm.
    """
    return Linear(_normed(patches, patches, norm), head.weight, _bias(head) + head.weight @ norm.bias)


def lens(heads: Sequence[torch.nn.Linear], tokens: torch.Tensor, geometry: TokenGeometry) -> torch.Tensor:
    """Read each token by the head, for heads on one token, two, or the mean over patches. tokens: [..., T, D], normed.

    The class token and the distillation token are read by their own heads, other tokens by the mean of both. A head on
    the class token beside the mean of the patches reads it with its first half and its bias, others with the second.
    Returns [..., T, C].
    """
    head, first = heads[0], tokens[..., :1, :]
    if geometry.pooling == "cls+distillation":
        own, other = heads
        rest = tokens[..., 2:, :]
        return torch.cat([own(first), other(tokens[..., 1:2, :]), (own(rest) + other(rest)) / 2], dim=-2)
    if geometry.pooling == "cls+mean":
        of_class, of_mean = head.weight.chunk(2, dim=-1)
        read_class = torch.nn.functional.linear(first, of_class, head.bias)
        return torch.cat([read_class, torch.nn.functional.linear(tokens[..., 1:, :], of_mean)], dim=-2)
    read: torch.Tensor = head(tokens)
    return read


def lens_before_norm(
    tokens: torch.Tensor, norm: torch.nn.LayerNorm, head: torch.nn.Linear, geometry: TokenGeometry
) -> torch.Tensor:
    """Read each token by a head on the LayerNorm of the mean of patches, with the variance of that mean as given.

    tokens: [..., T, D], before the norm. Returns [..., T, C]; their mean over the patches is what the head gives.
    """
    parts = _normed(tokens, tokens[..., geometry.prefix :, :], norm)
    return torch.nn.functional.linear(parts, head.weight, _bias(head) + head.weight @ norm.bias)


def _normed(tokens: torch.Tensor, patches: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    """Scale tokens [..., T, D] as a LayerNorm scales the mean of `patches` [..., P, D], without its bias."""
    pooled = patches.mean(dim=-2, keepdim=True)
    variance = (pooled - pooled.mean(dim=-1, keepdim=True)).square().mean(dim=-1, keepdim=True)
    return (tokens - tokens.mean(dim=-1, keepdim=True)) * torch.rsqrt(variance + norm.eps) * norm.weight


def _bias(head: torch.nn.Linear) -> torch.Tensor:
    return head.weight.new_zeros(len(head.weight)) if head.bias is None else head.bias
