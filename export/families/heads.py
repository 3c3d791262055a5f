"""Linear heads on the mean over patches, taken apart into the share of each patch."""

import torch

from vitscope.export.families.family import Linear


def norm_then_mean(patches: torch.Tensor, head: torch.nn.Linear) -> Linear:
    """Take apart a head on the mean of patches that are normed one by one, or not at all. patches: [N, P, D]."""
    return Linear(patches, head.weight, _bias(head))


def mean_then_norm(patches: torch.Tensor, norm: torch.nn.LayerNorm, head: torch.nn.Linear) -> Linear:
    """Take apart a head on the LayerNorm of the mean of patches: linear too, with the variance of that mean as given.

    patches: [N, P, D], before the norm.
    """
    pooled = patches.mean(dim=1, keepdim=True)
    variance = (pooled - pooled.mean(dim=-1, keepdim=True)).square().mean(dim=-1, keepdim=True)
    parts = (patches - patches.mean(dim=-1, keepdim=True)) * torch.rsqrt(variance + norm.eps) * norm.weight
    return Linear(parts, head.weight, _bias(head) + head.weight @ norm.bias)


def _bias(head: torch.nn.Linear) -> torch.Tensor:
    return head.weight.new_zeros(len(head.weight)) if head.bias is None else head.bias
