"""Weights in a file without a configuration: reading them, and where training loops keep them."""

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from vitscope.export.checkpoint.files import one_line
from vitscope.export.errors import ExportError

# Where training loops keep the weights in what they save.
_PLACES = ("state_dict", "model_state_dict", "model", "module")
_ROUNDED = ("torch.int8", "torch.uint8", "torch.float8_e4m3fn", "torch.float8_e5m2", "torch.float4_e2m1fn_x2")
_DEPTH = 5  # parts of a prefix

State = dict[str, torch.Tensor]


def read_state(path: Path, where: str) -> tuple[State, list[str]]:
    """Return the weights in float32, and notes on where they were.

    Raises ExportError if the file cannot be read, or holds more than tensors and plain values, or no weights, or
    weights that are quantised.
    """
    found = _read(path, where)
    state, place = _tensors(found, where)
    notes = [f"{where}: its weights are those under {place!r}"] if place else []
    if averaged := _averaged(found):
        notes.append(f"{where}: averaged weights (EMA) under {averaged!r} were left aside")
    return state, notes


def prefix_of(state: State, weigh: Collection[str], parts: bool = False) -> str:
    """Return what stands before the model's own names, such as module., model. and _orig_mod. in any order.

    weigh: names of the model; `parts`, their first parts, where names themselves may differ.
    """
    candidates = {""}
    for key in state:
        pieces = key.split(".")
        candidates |= {".".join(pieces[:depth]) + "." for depth in range(1, min(len(pieces), _DEPTH))}

    def score(prefix: str) -> tuple[int, int]:
        if not parts:
            return sum(prefix + key in state for key in weigh), 0
        first = [key[len(prefix) :].partition(".")[0] for key in state if key.startswith(prefix)]
        known = [part for part in first if part in weigh]
        return len(set(known)), len(known)

    return max(sorted(candidates, key=lambda prefix: (len(prefix), prefix)), key=score)


def without(state: State, prefix: str) -> tuple[State, list[str]]:
    """Return the weights below a prefix, and the first parts of the names of the others."""
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return own, sorted({key.split(".")[0] for key in state if not key.startswith(prefix)})


def _read(path: Path, where: str) -> Any:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ExportError(
            f"{where}: holds more than tensors and plain values, and export runs no code of a checkpoint "
            f"({one_line(error)[:120]}); accepted: a state dict, saved by torch.save(model.state_dict(), ...)"
        ) from error
    except Exception as error:  # whatever readers make of files that are truncated or of another format
        raise ExportError(
            f"{where}: cannot be read as weights: {type(error).__name__}: {one_line(error)[:160]}"
        ) from error


def _tensors(found: Any, where: str) -> tuple[State, str]:
    """Return the weights in what was saved, and under which key they were: where there are most of them."""
    most: State = {}
    place = ""
    for key in ("", *_PLACES):
        inner = found if not key else found.get(key) if isinstance(found, Mapping) else None
        if isinstance(inner, Mapping):
            tensors = {str(name): value for name, value in inner.items() if isinstance(value, torch.Tensor)}
            if len(tensors) > len(most):
                most, place = tensors, key
    if not most:
        keys = ", ".join(map(str, list(found)[:5])) if isinstance(found, Mapping) else type(found).__name__
        raise ExportError(
            f"{where}: no weights found (it holds {keys}); accepted: a state dict, bare or under {_PLACES[0]}"
        )
    if rounded := next((name for name, value in most.items() if str(value.dtype) in _ROUNDED), None):
        raise ExportError(f"{where}: {rounded} is {most[rounded].dtype}; accepted: float weights. Dequantise first")
    return {name: _own(value) for name, value in most.items()}, place


def _own(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy that shares nothing with other tensors, in float32 unless it counts something."""
    kind = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to(kind).clone(memory_format=torch.contiguous_format)


def _averaged(found: Any) -> str:
    if not isinstance(found, Mapping):
        return ""
    named = (str(key) for key, value in found.items() if isinstance(value, Mapping) and "ema" in str(key).lower())
    return next(named, "")
