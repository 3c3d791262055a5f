"""LoRA (Hu et al., arXiv:2106.09685): small matrices beside the frozen ones, merged into them at the end."""

import copy
import warnings
from typing import Any

import torch

from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.head import heads

# Query and value, as in the paper, under the names that families give them.
_ATTENTION = ("query", "value", "q_proj", "v_proj", "qkv", "Wqkv")


def with_adapters(model: Any, rank: int) -> Any:
    """Return a model of peft in which only the adapters and the head are trained.

    Raises FinetuneError for a model without linear layers in its backbone.
    """
    from peft import LoraConfig, get_peft_model

    head = list(heads(model))
    linear = [
        name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and name not in head
    ]
    targets = [name for name in linear if name.rpartition(".")[2] in _ATTENTION] or linear
    if not targets:
        raise FinetuneError(
            f"--mode lora: {type(model).__name__} has no linear layers to adapt; accepted are probe, full and auto"
        )
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, modules_to_save=head)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of names of transformers that peft still uses
        return get_peft_model(model, config)


def merged(model: Any) -> Any:
    """Return an ordinary model of transformers with the adapters in its weights; the adapted one stays as it is."""
    return copy.deepcopy(model).merge_and_unload() if hasattr(model, "merge_and_unload") else model
