"""The head of a model: the linear layers whose output is the logits."""

from typing import Any

import torch

from vitscope.finetune.errors import FinetuneError


def heads(model: Any) -> dict[str, torch.nn.Linear]:
    """Return name and module of each head; a model that was distilled has two.

    Raises FinetuneError for a model whose head is something else.
    """
    classes = model.config.num_labels
    body = f"{model.base_model_prefix}."
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module.out_features == classes
    }
    outside = {name: module for name, module in found.items() if not name.startswith(body)}
    if not outside and not found:
        raise FinetuneError(
            f"--base: the head of {type(model).__name__} is not a linear layer to its {classes} labels; "
            "accepted are models that end in one"
        )
    return outside or dict([list(found.items())[-1]])
