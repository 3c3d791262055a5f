"""The parts of a model by depth: blocks of its encoder, and a learning rate for each (arXiv:2106.08254)."""

import re
from typing import Any

import torch

_NUMBERED = re.compile(r"\.(?:layer|layers|block|blocks|stages|resblocks)\.(\d+)\.")


def blocks(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the encoder's blocks, first to last: the longest list of modules of one class."""
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module)]
    alike = [module for module in lists if len({type(block) for block in module}) == 1]
    return list(max(alike, key=len, default=[]))


def layer_of(name: str, head: tuple[str, ...], layers: int) -> int:
    """Return 0 for embeddings, 1..layers for the blocks, layers + 1 for what follows them and the head."""
    if name.startswith(head):
        return layers + 1
    if numbered := _NUMBERED.search(f".{name}"):
        return min(int(numbered[1]) + 1, layers)
    return 0 if "embed" in name or "token" in name or "stem" in name else layers + 1


def parameter_groups(
    model: Any, head: tuple[str, ...], learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Return the trainable parameters in groups for an optimiser.

    head: names of the head's modules. Weight decay is for matrices only, not for biases, norms, class tokens or
    position tables (as in DeiT). The rate of a layer is `layer_decay` times that of the one above.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    layers = max((int(found[1]) + 1 for name, _ in named if (found := _NUMBERED.search(f".{name}"))), default=0)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in named:
        layer = layer_of(name, head, layers)
        decays = parameter.ndim >= 2 and "position" not in name and "token" not in name and "bias" not in name
        group = groups.setdefault(
            (layer, decays),
            {
                "params": [],
                "lr": learning_rate * layer_decay ** (layers + 1 - layer),
                "weight_decay": weight_decay if decays else 0.0,
            },
        )
        group["params"].append(parameter)
    return [groups[key] for key in sorted(groups)]
