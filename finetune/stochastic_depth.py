"""Stochastic depth (Huang et al., arXiv:1603.09382): blocks are skipped at random for some of the images."""

from typing import Any

import torch


def add_stochastic_depth(blocks: list[torch.nn.Module], rate: float) -> None:
    """Let each block be skipped with a probability that grows from 0 at the first to `rate` at the last.

    blocks: modules of the encoder whose output has the shape of their first input. Nothing changes in evaluation, nor
    in what is saved.
    """
    for number, block in enumerate(blocks):
        skipped = rate * number / max(len(blocks) - 1, 1)
        if skipped:
            block.register_forward_hook(_hook(1 - skipped))


def _hook(keep: float) -> Any:
    def skip(module: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        result = output[0] if isinstance(output, tuple) else output
        before = inputs[0] if inputs else None
        if not module.training or not isinstance(before, torch.Tensor) or before.shape != result.shape:
            return output
        kept = torch.rand(len(result), device=result.device) < keep
        change = (kept.to(result.dtype) / keep).reshape(-1, *[1] * (result.ndim - 1))
        mixed = before + (result - before) * change
        return (mixed, *output[1:]) if isinstance(output, tuple) else mixed

    return skip
