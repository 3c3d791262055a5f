"""Shares in closed form against automatic differentiation, and their sums, on small models of each kind of head."""

import pytest
import torch

from tests.export.tail.heads import HEADS, passed, subject
from vitscope.export.tail import Gauge, Rule, Shares, shares_of
from vitscope.export.tail.autograd import differentiate
from vitscope.export.tail.layers import Norm

GAUGES = [Gauge("softmax"), Gauge("softmax", 1.7), Gauge("sigmoid")]


@pytest.mark.parametrize("gauge", GAUGES, ids=["softmax", "temperature", "sigmoid"])
@pytest.mark.parametrize("kind", list(HEADS))
def test_they_are_the_derivatives(kind: str, gauge: Gauge) -> None:
    forward, head, reads = passed(subject(HEADS[kind], gauge))
    tokens = forward.geometry.prefix + forward.geometry.patches
    classes, rule = torch.tensor([[0, 3], [4, 4], [2, 1]]), Rule(6)
    with torch.no_grad():
        found = shares_of(reads, head, gauge, forward.logits, classes, tokens, rule)
    expected = differentiate(reads, head, gauge, classes, tokens, rule)
    torch.testing.assert_close(expected.logits, forward.logits, rtol=1e-5, atol=1e-5)
    for name in ("integrated", "gradient"):
        own, exact = getattr(found, name), getattr(expected, name)
        assert float((own - exact).norm() / exact.norm()) < 1e-5, name
    if kind != "vit with ReLU":  # whose slopes jump, so that it takes more nodes
        shares_add_up(found, forward.logits, gauge)


def shares_add_up(found: Shares, logits: torch.Tensor, gauge: Gauge) -> None:
    gained = (found.target - found.base).abs().max() + 0.1
    torch.testing.assert_close(found.base + found.integrated.sum(-1), found.target, rtol=0, atol=5e-3 * float(gained))
    assert found.target.shape == (3, 2) and torch.isfinite(found.target).all()
    if gauge.activation == "softmax":
        assert float(found.target.max()) < 0
    else:
        assert float(found.target.max()) <= float(logits.max())


@pytest.mark.parametrize("kind", ["vit", "beit, layer scale, class token"])
def test_direct_shares_are_what_reaches_the_logit_without_an_mlp(kind: str) -> None:
    """The last norm with its variance as it is, of what each token adds to the class token, times the classifier."""
    forward, head, (read,) = passed(subject(HEADS[kind], Gauge("sigmoid")))
    tokens = forward.geometry.prefix + forward.geometry.patches
    classes = torch.arange(5).expand(3, -1)
    with torch.no_grad():
        found = shares_of([read], head, Gauge("sigmoid"), forward.logits, classes, tokens, Rule(4)).direct
        *before, norm = (*read.output.layers, *read.tail.layers)
        given = read.base + read.added.sum(1, keepdim=True)
        for layer in before:
            given = layer.run(given)[0]
        added = read.output.run(read.added)[0] - read.output.run(torch.zeros_like(read.added))[0]
        assert isinstance(norm, Norm) and norm.weight is not None
        deviation = (given.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
        direct = (added - added.mean(-1, keepdim=True)) / deviation * norm.weight @ head.linears[0].weight.T
    torch.testing.assert_close(found, direct.mT, rtol=1e-4, atol=1e-5)


def test_a_contrast_is_a_difference() -> None:
    """Log-probabilities have a term that all classes share, and that a difference of two maps is free of."""
    forward, head, reads = passed(subject(HEADS["vit"], Gauge("softmax")))
    tokens, classes = forward.geometry.prefix + forward.geometry.patches, torch.tensor([[1, 2]]).expand(3, -1)
    with torch.no_grad():
        first = shares_of(reads, head, Gauge("softmax"), forward.logits, classes, tokens, Rule(8)).integrated
        plain = shares_of(reads, head, Gauge("sigmoid"), forward.logits, classes, tokens, Rule(8)).integrated
    torch.testing.assert_close(first[:, 0] - first[:, 1], plain[:, 0] - plain[:, 1], rtol=1e-4, atol=1e-6)
