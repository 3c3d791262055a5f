"""The same shares by automatic differentiation and many nodes: what the closed form is certified against."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vitscope.export.tail.gauge import Gauge
from vitscope.export.tail.reading import Head
from vitscope.export.tail.rule import Rule
from vitscope.export.tail.shares import Read


@dataclass(frozen=True)
class Differentiated:
    """Shares of T tokens in the targets of K classes, [N, K, T]. logits: [N, C], at the end of the path."""

    integrated: torch.Tensor
    gradient: torch.Tensor
    logits: torch.Tensor


def differentiate(
    reads: Sequence[Read], head: Head, gauge: Gauge, classes: torch.Tensor, tokens: int, rule: Rule
) -> Differentiated:
    """Compute integrated and gradient shares of `tokens` tokens by torch.autograd: see `shares_of`.

    Each token has a factor, which is 1; its share is the derivative by the factor, at 1 or over the path. Nothing of
    `reads` may be an inference tensor.
    """
    nodes = rule.nodes
    points = torch.tensor([*rule.points, 1], dtype=reads[0].added.dtype)
    measure = torch.tensor(rule.weights, dtype=points.dtype)
    with torch.enable_grad():
        factors = points[None, :, None].repeat(len(classes), 1, tokens).requires_grad_()
        features = []
        for read in reads:
            own = factors[..., tokens - read.added.shape[1] :]
            features.append(read.tail.run(read.output.run(read.base + own @ read.added)[0])[0])
        logits = head.run(features)
        scores = gauge.scores(logits)
        slopes = [
            torch.autograd.grad(
                scores.gather(2, of_class[:, None, None].expand(-1, nodes + 1, 1)).sum(), factors, retain_graph=True
            )[0]
            for of_class in classes.T
        ]
    found = torch.stack(slopes, dim=1)  # [N, K, nodes + 1, T]
    integrated = (found[:, :, :nodes] * measure[:, None]).sum(dim=2)
    return Differentiated(integrated, found[:, :, nodes], logits[:, nodes].detach())
