"""Weights without a configuration: state dicts of timm and torchvision, bare or in a training checkpoint (Lightning).

They are written as a checkpoint of timm, and loaded like any other.
"""

import json
import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import torch

from vitscope.export.checkpoint import torchvision_vit
from vitscope.export.checkpoint.files import CONFIG, one_line
from vitscope.export.errors import ExportError

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")

# Where training loops keep the weights in what they save, best first.
_PLACES = ("state_dict", "model_state_dict", "model", "module")
_NAMED = 3  # weights that an error names

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Bare:
    """folder: a checkpoint of timm that holds the weights. notes: what the user should know of how they were read."""

    folder: Path
    notes: tuple[str, ...]


def is_bare(source: str) -> bool:
    """Return True for the path of a file of weights."""
    path = Path(source).expanduser()
    return path.is_file() and path.suffix in SUFFIXES


@contextmanager
def as_checkpoint(source: str, architecture: str | None, labels: Sequence[str] | None) -> Iterator[Bare]:
    """Write a file of weights as a checkpoint that lasts for the context.

    architecture: of timm (vit_base_patch16_224) or torchvision (vit_b_16). Raises ExportError if the file holds more
    than tensors, or weights that are not those of the architecture.
    """
    path = Path(source).expanduser()
    where = f"CHECKPOINT {path.name}"
    if not is_bare(source):
        raise ExportError(f"--architecture: {where} is no file of weights; accepted: {', '.join(SUFFIXES)}")
    if not architecture:
        raise ExportError(
            f"{where}: a file of weights does not say which model it is for; give --architecture NAME, of timm "
            "(vit_base_patch16_224) or torchvision (vit_b_16), and --labels FILE"
        )
    of_torchvision = architecture in torchvision_vit.MODELS
    name = torchvision_vit.MODELS.get(architecture, architecture)
    state, place = _tensors(_read(path, where), where)
    if of_torchvision:
        state = torchvision_vit.rename(state)
    state, args, aside = _fit(state, name, architecture, where)
    count = len(state["head.weight"])
    if labels is None:
        raise ExportError(f"{where}: {count} classes without names; give --labels FILE, or --labels imagenet")
    if len(labels) != count:
        raise ExportError(f"--labels: {len(labels)} names; accepted: {count}, as many as head.weight has rows")
    cfg = _timm(name, architecture, args, count).pretrained_cfg
    cfg = torchvision_vit.PREPROCESSING if of_torchvision else {key: cfg[key] for key in _PREPROCESSING if key in cfg}
    config = {
        "architecture": name, "num_classes": count, "label_names": list(labels), "model_args": args,
        "pretrained_cfg": cfg,
    }  # fmt: skip
    notes = [
        f"{where}: images are prepared as for {architecture} ({_said(cfg)}); if training differed, give --processor"
    ]
    if place:
        notes.append(f"{where}: its weights are those under {place!r}")
    if aside:
        notes.append(f"{where}: weights of other parts were left aside: {', '.join(aside)}")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / path.stem
        folder.mkdir()
        (folder / CONFIG).write_text(json.dumps(config))
        safetensors.torch.save_file(state, folder / "model.safetensors")
        yield Bare(folder, tuple(notes))


_PREPROCESSING = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


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
    """Return the weights in what was saved, and under which key they were."""
    for key in ("", *_PLACES):
        inner = found if not key else found.get(key) if isinstance(found, Mapping) else None
        if isinstance(inner, Mapping) and inner:
            tensors = {str(name): value for name, value in inner.items() if isinstance(value, torch.Tensor)}
            if tensors:
                return {name: value.float().contiguous() for name, value in tensors.items()}, key
    keys = ", ".join(map(str, list(found)[:5])) if isinstance(found, Mapping) else type(found).__name__
    raise ExportError(
        f"{where}: no weights found (it holds {keys}); accepted: a state dict, bare or under {_PLACES[0]}"
    )


def _fit(state: State, name: str, architecture: str, where: str) -> tuple[State, dict[str, Any], list[str]]:
    """Match names and shapes with the model. Returns its weights, its arguments, and the names of other weights."""
    expected = dict(_timm(name, architecture, {}, 1).state_dict())
    prefix = _prefix(state, expected)
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    aside = sorted({key.split(".")[0] for key in state if not key.startswith(prefix)})
    if missing := sorted(expected.keys() - own.keys()):
        raise ExportError(
            f"{where}: lacks {_some(missing)} of {architecture}, whose weights begin with "
            f"{_some(sorted(expected)[:2])}; accepted: weights of the architecture that is named"
        )
    if surplus := sorted(own.keys() - expected.keys()):
        raise ExportError(
            f"{where}: holds {_some(surplus)}, which {architecture} has not; accepted: another --architecture"
        )
    args = _arguments(own, expected, name, architecture)
    shapes = _timm(name, architecture, args, len(own["head.weight"])).state_dict()
    for key, value in own.items():
        if value.shape != shapes[key].shape:
            raise ExportError(
                f"{where}: {key} is {list(value.shape)}, and {list(shapes[key].shape)} in {architecture}; accepted: "
                "another --architecture"
            )
    return own, args, aside


def _prefix(state: State, expected: Mapping[str, Any]) -> str:
    """Return what stands before the model's own names, such as module., model. and _orig_mod. in any order."""
    candidates = {""}
    for key in state:
        parts = key.split(".")
        candidates |= {".".join(parts[:depth]) + "." for depth in range(1, min(len(parts), 5))}
    return max(sorted(candidates), key=lambda prefix: sum(prefix + key in state for key in expected))


def _arguments(own: State, expected: Mapping[str, Any], name: str, architecture: str) -> dict[str, Any]:
    """Return the input size that a position table of another length than the architecture's is for."""
    if "pos_embed" not in own or own["pos_embed"].shape == expected["pos_embed"].shape:
        return {}
    model = _timm(name, architecture, {}, 1)
    prefix = expected["pos_embed"].shape[1] - model.patch_embed.num_patches
    side = math.isqrt(own["pos_embed"].shape[1] - prefix)
    if side * side + prefix != own["pos_embed"].shape[1]:
        return {}
    return {"img_size": side * model.patch_embed.patch_size[0]}


def _timm(name: str, architecture: str, args: Mapping[str, Any], classes: int) -> Any:
    """Build the model without memory for its weights."""
    try:
        import timm
    except ImportError as error:
        raise ExportError("--architecture: models of timm and torchvision need timm; install vitscope[timm]") from error
    if not timm.is_model(name):
        close = ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:4]) or "vit_base_patch16_224"
        raise ExportError(
            f"--architecture {architecture}: neither a model of timm ({close}, ...) nor of torchvision "
            f"({', '.join(torchvision_vit.MODELS)})"
        )
    with torch.device("meta"):
        return timm.create_model(name, num_classes=classes, **args)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _said(cfg: Mapping[str, Any]) -> str:
    _, height, width = cfg["input_size"]
    mean = ", ".join(f"{value:g}" for value in cfg["mean"])
    return f"{height}x{width}, {cfg['interpolation']}, crop {cfg.get('crop_pct', 0.875):g}, mean {mean}"
