"""The share of each token in what is explained, in closed form: direct, by the gradient, and integrated along a path.

The path leads from nothing read (a = 0) to all that was read (a = 1) in the last attention, with attention fixed:
x(a) = base + a * (sum of what each token adds). The integrated shares of a class add up to what its target gains on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vitscope.export.tail.gauge import Gauge
from vitscope.export.tail.layer import Chain, Slopes
from vitscope.export.tail.reading import Head
from vitscope.export.tail.rule import Rule


@dataclass(frozen=True)
class Read:
    """What is read of tokens.

    added: [N, T, D], what each token adds. base: [N, 1, D] or [D], what is there without them. output: layers that are
    linear. tail: the layers from there to a feature of the head. rest: the feature [D] if there were nothing to read.
    """

    added: torch.Tensor
    base: torch.Tensor
    output: Chain
    tail: Chain
    rest: torch.Tensor


@dataclass(frozen=True)
class Shares:
    """The shares of T tokens in the targets of K classes, [N, K, T] each.

    target, base: [N, K], of the whole and with nothing read. prior: [N, K], of a head without any features.
    """

    integrated: torch.Tensor
    gradient: torch.Tensor
    direct: torch.Tensor
    target: torch.Tensor
    base: torch.Tensor
    prior: torch.Tensor


def shares_of(
    reads: Sequence[Read],
    head: Head,
    gauge: Gauge,
    logits: torch.Tensor,
    classes: torch.Tensor,
    tokens: int,
    rule: Rule,
) -> Shares:
    """Compute the shares of `tokens` tokens, in the targets of `classes` [N, K]. logits: [N, C], of the model.

    Reads of fewer tokens are of the last ones.
    """
    nodes = rule.nodes
    points = logits.new_tensor([*rule.points, 1, 0])[:, None]
    measure = logits.new_tensor([*rule.weights, 0, 0])[:, None]
    features, outputs, tails = [], [], []
    for read in reads:
        found, back = read.output.run(read.base + points * read.added.sum(dim=1, keepdim=True))
        feature, further_back = read.tail.run(found)
        features.append(feature)
        outputs.append(back)
        tails.append(further_back)
    widths = [feature.shape[-1] for feature in features]
    scores = gauge.scores(head.run(features))
    slopes = gauge.slopes(head, scores, classes, widths)
    total: torch.Tensor | None = None
    for read, back, further_back, slope in zip(reads, outputs, tails, slopes, strict=True):
        by_feature = further_back(Slopes(slope, slope))
        ends = by_feature.whole, by_feature.direct
        three = torch.stack([(ends[0] * measure).sum(dim=2), *(_at(end, nodes) for end in ends)], dim=2)
        found = read.added @ back(Slopes(three, three)).whole.flatten(2)  # [N, T, 3 * K]
        if missing := tokens - found.shape[1]:
            found = torch.nn.functional.pad(found, (0, 0, missing, 0))
        total = found if total is None else total + found
    assert total is not None
    integrated, gradient, direct = total.mT.view(total.shape[0], 3, *classes.shape[1:], tokens).unbind(dim=1)
    prior = gauge.scores(head.run([read.rest[None, None] for read in reads]))
    return Shares(
        integrated,
        gradient,
        direct,
        gauge.scores(logits).gather(1, classes),
        scores[:, nodes + 1].gather(1, classes),
        prior[:, 0].expand_as(logits).gather(1, classes),
    )


def _at(gradient: torch.Tensor, point: int) -> torch.Tensor:
    """Return the gradient [N, D, Q or 1, K] at a point; it is the same at all points if there is one."""
    return gradient[:, :, min(point, gradient.shape[2] - 1)]
