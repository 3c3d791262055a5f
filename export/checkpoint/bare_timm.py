"""Weights of a model of timm or torchvision without a configuration, or with that of another checkpoint of timm."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from vitscope.export.checkpoint import torchvision_vit
from vitscope.export.checkpoint.files import CONFIG, temporary_files
from vitscope.export.checkpoint.state import State, prefix_of, without
from vitscope.export.errors import ExportError

_NAMED = 3  # weights that an error names
_PREPROCESSING = ("input_size", "interpolation", "mean", "std", "crop_pct", "crop_mode")


@dataclass(frozen=True)
class Model:
    """A model of timm. name: timm's own. said: what the user calls it. args: for its maker, beside its input size.

    cfg: how its images are prepared; None is what timm says. labels: None where nothing names them.
    """

    name: str
    said: str
    args: Mapping[str, Any] = field(default_factory=dict)
    cfg: Mapping[str, Any] | None = None
    labels: Sequence[str] | None = None


def named(architecture: str) -> Model:
    """Return the model that timm or torchvision has under this name."""
    if architecture in torchvision_vit.MODELS:
        return Model(torchvision_vit.MODELS[architecture], architecture, cfg=torchvision_vit.PREPROCESSING)
    return Model(architecture, architecture)


def described(config: Mapping[str, Any], architecture: str) -> Model:
    """Return the model of a timm checkpoint's config.json, with its own shape, images and labels."""
    cfg = config.get("pretrained_cfg") or {}
    labels = config.get("label_names") or cfg.get("label_names")
    return Model(str(config.get("architecture")), architecture, config.get("model_args") or {}, cfg, labels)


def write(folder: Path, state: State, model: Model, given: Sequence[str] | None, where: str) -> list[str]:
    """Write weights as a checkpoint of timm. given: the names of --labels. Returns notes."""
    if model.cfg is torchvision_vit.PREPROCESSING:
        state = torchvision_vit.rename(state)
    state, args, aside = _fit(state, model, where)
    count, labels = len(state["head.weight"]), given or model.labels
    if labels is None:
        raise ExportError(f"{where}: {count} classes without names; give --labels FILE, or --labels imagenet")
    if len(labels) != count:
        source, hint = ("--labels", "") if given else ("config.json of --architecture", "; give --labels FILE")
        raise ExportError(f"{source}: {len(labels)} names; accepted: {count}, as many as head.weight has rows{hint}")
    # What a config.json leaves out is timm's.
    cfg = {**_timm(model.name, model.said, args, count).pretrained_cfg, **(model.cfg or {})}
    cfg = {key: cfg[key] for key in _PREPROCESSING if key in cfg}
    config = {
        "architecture": model.name, "num_classes": count, "label_names": list(labels), "model_args": args,
        "pretrained_cfg": cfg,
    }  # fmt: skip
    notes = [f"{where}: images are prepared as for {model.said} ({_said(cfg)}); if training differed, give --processor"]
    if aside:
        notes.append(f"{where}: weights of other parts were left aside: {', '.join(aside)}")
    with temporary_files():
        (folder / CONFIG).write_text(json.dumps(config))
        safetensors.torch.save_file(state, folder / "model.safetensors")
    return notes


def _fit(state: State, model: Model, where: str) -> tuple[State, dict[str, Any], list[str]]:
    """Match names and shapes with the model. Returns its weights, its arguments, and the names of other weights."""
    architecture = model.said
    expected = dict(_timm(model.name, architecture, model.args, 1).state_dict())
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
    args = {**model.args, **_size_of(own, expected, model)}
    shapes = _timm(model.name, architecture, args, len(own["head.weight"])).state_dict()
    for key, value in own.items():
        if value.shape != shapes[key].shape:
            raise ExportError(
                f"{where}: {key} is {list(value.shape)}, and {list(shapes[key].shape)} in {architecture}; accepted: "
                "another --architecture"
            )
    return own, args, aside


def _size_of(own: State, expected: Mapping[str, Any], shape: Model) -> dict[str, Any]:
    """Return the input size that a position table of another length than the architecture's is for."""
    if "pos_embed" not in own or own["pos_embed"].shape == expected["pos_embed"].shape:
        return {}
    model = _timm(shape.name, shape.said, shape.args, 1)
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
