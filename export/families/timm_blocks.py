"""The last block and the pooling of timm's models as layers with written-out derivatives."""

from typing import Any

import torch

from vitscope.export.families.blocks import rest_of, split_linear
from vitscope.export.tail import Head, Layer, Reader, Reading
from vitscope.export.tail.activations import Activated, Glu, both_of
from vitscope.export.tail.layers import Linear, Parallel, Residual, Scale, Shift, linear_of, norm_of

_NORM_FIRST = ("Block", "EvaBlock", "RelPosBlock")
_NORM_LAST = ("ResPostBlock", "EvaBlockPostNorm", "ResPostRelPosBlock")


class Unknown(Exception):
    """A part of a model without a closed form. Its text is the end of a sentence about the model."""


def reading_of(model: Any) -> Reading | str:
    """Take apart the head of a model that reads class tokens or the probe of an attention pooling; or why it cannot."""
    try:
        if getattr(model, "attn_pool", None) is not None:
            return Reading((_probe(model),), Head((linear_of(model.head),)))
        if hasattr(model, "head_dist"):
            heads = (linear_of(model.head), linear_of(model.head_dist))
            return Reading((_token(model, 0), _token(model, 1)), Head(heads, shared=False))
        return Reading((_token(model, 0),), Head((linear_of(model.head),)))
    except Unknown as reason:
        return str(reason)


def _token(model: Any, token: int) -> Reader:
    block = model.blocks[-1]
    attention, kind = getattr(block, "attn", None), type(block).__name__
    if kind not in (*_NORM_FIRST, *_NORM_LAST) or attention is None:
        raise Unknown(f"vitscope has no closed form for its last block, a {kind}")
    if getattr(attention, "gate", None) is not None:
        raise Unknown("vitscope has no closed form for attention with a gate")
    first_norm = list(_norm(block.norm1)) if kind in _NORM_LAST else []
    steps = [*_norm(getattr(attention, "norm", None)), linear_of(attention.proj), *_scale(block, 1), *first_norm]
    output, curved = split_linear(steps)
    mlp = [*_mlp(block.mlp), *_scale(block, 2)]
    branch = [*mlp, *_norm(block.norm2)] if kind in _NORM_LAST else [*_norm(block.norm2), *mlp]
    last = [*_norm(model.norm), *_norm(model.fc_norm)]

    def tail(carried: torch.Tensor | None) -> list[Layer]:
        assert carried is not None
        return [*curved, Shift(carried), Residual(*branch), *last]

    values = _values(attention)
    rest = rest_of(model.norm if isinstance(model.fc_norm, torch.nn.Identity) else model.fc_norm, attention.proj.weight)
    return Reader(len(model.blocks) - 1, token, attention, values, output, block, tail, rest)


def _probe(model: Any) -> Reader:
    pool = model.attn_pool
    if not isinstance(pool.proj, torch.nn.Linear) or pool.mlp is None:
        raise Unknown("vitscope has no closed form for a pooling probe without an MLP")
    branch, last = [*_norm(pool.norm), *_mlp(pool.mlp)], _norm(model.fc_norm)
    values = _last_part(pool.kv, 2, pool.kv.bias)
    rest = rest_of(model.fc_norm, pool.proj.weight)
    return Reader(
        len(model.blocks), 0, pool.kv, values, (linear_of(pool.proj),), None, lambda _: [Residual(*branch), *last], rest
    )


def _values(attention: Any) -> Linear:
    if getattr(attention, "qkv", None) is None:
        return linear_of(attention.v_proj)
    bias = attention.qkv.bias
    if bias is None and (own := getattr(attention, "v_bias", None)) is not None:
        bias = torch.cat([torch.zeros_like(own), torch.zeros_like(own), own])
    return _last_part(attention.qkv, 3, bias)


def _last_part(linear: torch.nn.Linear, parts: int, bias: torch.Tensor | None) -> Linear:
    start = linear.out_features // parts * (parts - 1)
    return Linear(linear.weight[start:], None if bias is None else bias[start:])


def _mlp(mlp: Any) -> list[Layer]:
    if (both := both_of(mlp.act)) is None:
        raise Unknown(f"vitscope has no closed form for an MLP with the activation {type(mlp.act).__name__}")
    norm, last = _norm(mlp.norm), linear_of(mlp.fc2)
    match type(mlp).__name__:
        case "Mlp":
            return [linear_of(mlp.fc1), Activated(both), *norm, last]
        case "GluMlp":
            return [linear_of(mlp.fc1), Glu(both, gate=int(mlp.gate_last)), *norm, last]
        case "SwiGLU":
            return [Parallel(linear_of(mlp.fc1_g), linear_of(mlp.fc1_x)), Glu(both), *norm, last]
    raise Unknown(f"vitscope has no closed form for an MLP of the kind {type(mlp).__name__}")


def _scale(block: Any, number: int) -> list[Layer]:
    module, own = getattr(block, f"ls{number}", None), getattr(block, f"gamma_{number}", None)
    scale = own if own is not None else getattr(module, "gamma", None)
    return [] if scale is None else [Scale(scale)]


def _norm(module: Any) -> list[Layer]:
    found = () if module is None else norm_of(module)
    if found is None:
        raise Unknown(f"vitscope has no closed form for a norm of the kind {type(module).__name__}")
    return list(found)
