"""Evidence of all layers: what the class token reads in every block, rather than in the last one alone.

The same idea as `evidence`, by automatic differentiation: attention and all other tokens are held fixed, the class
token alone is followed from the first block to the head, and all that it reads grows from nothing to what it is. The
shares of all layers add up to what the target gains on a class token that has seen nothing. It is not exported: see
docs/explanations.md.
"""

import numpy as np
import torch

from examples.methods.subject import Subject
from vitscope.export.families.blocks import reader
from vitscope.export.tail import Chain, Rule

NODES = 32


def all_layers(subject: Subject, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the integrated shares of the patches in the log-probability, over all layers, [N, P]."""
    family, model, prefix = subject.family, subject.model, subject.tokens.prefix
    blocks, rule = family.blocks(model), Rule(NODES)
    readers = [reader(block, layer, 0, torch.nn.Identity()) for layer, block in enumerate(blocks)]
    given = dict[torch.nn.Module, torch.Tensor]()

    def keep(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        given[module] = inputs[0].detach()

    watched = [*blocks, *(one.attended for one in readers if not isinstance(one, str))]
    hooks = [module.register_forward_pre_hook(keep) for module in watched]
    with torch.no_grad():
        passed = subject.passed(pixels)
    for hook in hooks:
        hook.remove()
    factors = torch.tensor(rule.points, dtype=torch.float32)[None, None, :, None]
    factors = factors.repeat(len(pixels), len(blocks), 1, passed.matrices[0].shape[-1]).requires_grad_()
    token = given[blocks[0]][:, :1].expand(-1, NODES, -1)
    for layer, one in enumerate(readers):
        assert not isinstance(one, str), one
        values, _ = one.values.run(given[one.attended])
        base = values.new_zeros(values.shape[-1]) if one.values.bias is None else one.values.bias
        by_head = (values - base).view(*values.shape[:2], passed.matrices[layer].shape[1], -1)
        added = (passed.matrices[layer].detach()[:, :, 0].mT[..., None] * by_head).flatten(2)
        read, _ = Chain(one.output).run(base + factors[:, layer] @ added)
        token, _ = Chain(one.tail(token)).run(read)
    features = [family.last(model)(token)]
    if subject.tokens.pooling == "cls+mean":
        last = family.last(model)(passed.states[-1].detach())[:, prefix:].mean(dim=1, keepdim=True)
        features.append(last.expand(-1, NODES, -1))
    scores = torch.log_softmax(model.classifier(torch.cat(features, dim=-1)) / subject.temperature, dim=-1)
    target = scores.gather(2, torch.from_numpy(classes)[:, None, None].expand(-1, NODES, 1)).sum()
    (slopes,) = torch.autograd.grad(target, factors)
    weights = torch.tensor(rule.weights, dtype=torch.float32)[:, None]
    shares: np.ndarray = (slopes * weights).sum(dim=(1, 2))[:, prefix:].numpy()
    return shares
