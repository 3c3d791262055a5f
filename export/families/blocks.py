"""Encoder blocks of transformers as layers with written-out derivatives, for the tokens that a head reads."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import torch

from vitscope.export.tail import Layer, Reader
from vitscope.export.tail.activations import Activated, Glu, both_of
from vitscope.export.tail.layers import Linear, Parallel, Residual, Scale, Shift, linear_of, norm_of

# Where transformers' blocks keep their parts. Of each, the first that is there.
_VALUES = ("attention.v_proj", "attention.attention.value", "self_attn.v_proj")
_OUTPUT = ("attention.o_proj", "attention.output.dense", "self_attn.out_proj")
_SECOND_NORM = ("layernorm_after", "norm2", "layer_norm2")
_SCALES = (("layer_scale1.lambda1", "layer_scale2.lambda1"), ("lambda_1", "lambda_2"))
_FIRST = ("mlp.fc1", "intermediate.dense")
_ACTIVATION = ("mlp.activation_fn", "mlp.activation", "intermediate.intermediate_act_fn")
_SECOND = ("mlp.fc2", "output.dense")


def reader(block: Any, layer: int, token: int, norm: Any) -> Reader | str:
    """Return the reader of a token in the last block, whose output goes through `norm`; or why it has none."""
    values, output = _part(block, _VALUES), _part(block, _OUTPUT)
    second_norm, mlp, last_norm = norm_of(_part(block, _SECOND_NORM)), _mlp(block), norm_of(norm)
    if values is None or output is None or second_norm is None or last_norm is None:
        return f"vitscope has no closed form for a {type(block).__name__} that is built like this one"
    if isinstance(mlp, str):
        return mlp
    first_scale, second_scale = _scales(block)

    def tail(carried: torch.Tensor | None) -> list[Layer]:
        assert carried is not None
        return [Shift(carried), Residual(*second_norm, *mlp, *second_scale), *last_norm]

    return Reader(
        layer=layer,
        token=token,
        attended=values,
        values=linear_of(values),
        output=(linear_of(output), *first_scale),
        source=block,
        tail=tail,
        rest=rest_of(norm, output.weight),
    )


def split_linear(steps: Sequence[Layer]) -> tuple[tuple[Layer, ...], list[Layer]]:
    """Divide steps into those that are linear, up to the first other one, and the rest."""
    count = next((i for i, step in enumerate(steps) if not isinstance(step, Linear | Scale)), len(steps))
    return tuple(steps[:count]), list(steps[count:])


def rest_of(norm: Any, like: torch.Tensor) -> torch.Tensor:
    """Return what a norm [D] gives of nothing. like: a weight of D rows."""
    bias: torch.Tensor | None = getattr(norm, "bias", None)
    return like.new_zeros(len(like)) if bias is None else bias


def _mlp(block: Any) -> list[Layer] | str:
    gates = [getattr(getattr(block, "mlp", None), name, None) for name in ("gate_proj", "up_proj", "down_proj")]
    first, second, activation = _part(block, _FIRST), _part(block, _SECOND), _part(block, _ACTIVATION)
    if all(gates):
        activation = block.mlp.act_fn
    both = both_of(activation)
    if both is None:
        return f"vitscope has no closed form for an MLP with the activation {type(activation).__name__}"
    if all(gates):
        return [Parallel(linear_of(gates[0]), linear_of(gates[1])), Glu(both), linear_of(gates[2])]
    if first is None or second is None:
        return f"vitscope has no closed form for the MLP of a {type(block).__name__}"
    return [linear_of(first), Activated(both), linear_of(second)]


def _scales(block: Any) -> tuple[list[Layer], list[Layer]]:
    """Return the layer scales behind attention and MLP, which may not be there, or be 1."""
    for names in _SCALES:
        found = [_part(block, (name,)) for name in names]
        if all(isinstance(scale, torch.Tensor) for scale in found):
            return [Scale(found[0])], [Scale(found[1])]
    return [], []


def _part(block: Any, paths: tuple[str, ...]) -> Any:
    for path in paths:
        try:
            return attrgetter(path)(block)
        except AttributeError:
            continue
    return None
