"""Weights without a configuration: state dicts, bare or in a training checkpoint (Lightning).

They are written as a checkpoint of transformers or timm, and loaded like any other.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors.torch
import torch

from vitscope.export.checkpoint import bare_transformers, torchvision_vit
from vitscope.export.checkpoint.config import is_timm
from vitscope.export.checkpoint.files import CONFIG, read_json
from vitscope.export.checkpoint.state import State, prefix_of, read_state, without
from vitscope.export.errors import ExportError

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")

_NAMED = 3  # weights that an error names


@dataclass(frozen=True)
class Bare:
    """folder: a checkpoint that holds the weights. notes: what the user should know of how they were read.

    processor: where its image processor is, if not in the folder.
    """

    folder: Path
    notes: tuple[str, ...]
    processor: str | None = None


def is_bare(source: str) -> bool:
    """Return True for the path of a file of weights."""
    path = Path(source).expanduser()
    return path.is_file() and path.suffix in SUFFIXES


@contextmanager
def as_checkpoint(source: str, architecture: str | None, labels: Sequence[str] | None) -> Iterator[Bare]:
    """Write a file of weights as a checkpoint that lasts for the context.

    architecture: of timm (vit_base_patch16_224) or torchvision (vit_b_16), or a folder or hub id with the config.json
    of a model. Raises ExportError if the file holds more than tensors, or weights that are not those of the
    architecture.
    """
    path = Path(source).expanduser()
    where = f"CHECKPOINT {path.name}"
    if not is_bare(source):
        raise ExportError(f"--architecture: {where} is no file of weights; accepted: {', '.join(SUFFIXES)}")
    if not architecture:
        raise ExportError(
            f"{where}: a file of weights does not say which model it is for; give --architecture NAME, of timm "
            "(vit_base_patch16_224) or torchvision (vit_b_16), or a folder or hub id with its config.json, and "
            "--labels FILE"
        )
    shape = bare_transformers.config_folder(architecture)
    if shape and is_timm(config := read_json(shape / CONFIG, "--architecture")):
        shape, architecture = None, str(config.get("architecture"))
    state, notes = read_state(path, where)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / path.stem
        folder.mkdir()
        if shape:
            more, processor = bare_transformers.write(folder, state, shape, labels, where)
            yield Bare(folder, (*notes, *more), processor)
        else:
            yield Bare(folder, (*notes, *_write_timm(folder, state, architecture, labels, where)))


def _write_timm(folder: Path, state: State, architecture: str, labels: Sequence[str] | None, where: str) -> list[str]:
    """Write weights of a model of timm or torchvision as a checkpoint of timm. Returns notes."""
    of_torchvision = architecture in torchvision_vit.MODELS
    name = torchvision_vit.MODELS.get(architecture, architecture)
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
    if aside:
        notes.append(f"{where}: weights of other parts were left aside: {', '.join(aside)}")
    (folder / CONFIG).write_text(json.dumps(config))
    safetensors.torch.save_file(state, folder / "model.safetensors")
    return notes


_PREPROCESSING = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


def _fit(state: State, name: str, architecture: str, where: str) -> tuple[State, dict[str, Any], list[str]]:
    """Match names and shapes with the model. Returns its weights, its arguments, and the names of other weights."""
    expected = dict(_timm(name, architecture, {}, 1).state_dict())
    own, aside = without(state, prefix_of(state, expected))
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
