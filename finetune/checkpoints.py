"""The Trainer's checkpoints: which are whole, so that one can go on from them after an interruption at any moment."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_MARK = "complete"
_PREFIX = "checkpoint-"
_WEIGHTS = "weights.safetensors"


def save_weights(model: torch.nn.Module, checkpoint: Path) -> None:
    """Write what training changes, under the names that it has in memory.

    `save_pretrained` writes the names of older versions for some families, which the Trainer would pass over in
    silence when it loads them.
    """
    checkpoint.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().contiguous() for name, tensor in _changing(model)}, checkpoint / _WEIGHTS)


def load_weights(model: torch.nn.Module, checkpoint: Path) -> None:
    """Read what `save_weights` wrote. Raises KeyError for weights of another model."""
    stored = load_file(checkpoint / _WEIGHTS)
    with torch.no_grad():
        for name, tensor in _changing(model):
            tensor.copy_(stored[name])


def _changing(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    yield from model.named_buffers()


def mark_complete(checkpoint: Path) -> None:
    """Say that everything of a checkpoint is written."""
    (checkpoint / _MARK).touch()


def last_complete(folder: Path) -> Path | None:
    """Return the newest checkpoint that is whole."""
    return max((path for path in _all(folder) if (path / _MARK).exists()), key=_step, default=None)


def keep_only(checkpoint: Path) -> None:
    """Remove all other checkpoints, which is safe once this one is whole."""
    for path in _all(checkpoint.parent):
        if path != checkpoint:
            shutil.rmtree(path, ignore_errors=True)


def _all(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdigit()]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(_PREFIX))
