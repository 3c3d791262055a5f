"""What a run is asked for, with its defaults. Loads no torch, so that `--help` answers at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scratch:
    """Shape of a ViT trained from random weights. Sizes are in pixels; `width` is the token dimension."""

    image_size: int = 28
    patch_size: int = 4
    width: int = 192
    depth: int = 6
    heads: int = 6
    mean: float = 0.5
    std: float = 0.5


@dataclass(frozen=True)
class Recipe:
    """Hyper-parameters. `learning_rate` is the peak; `warmup` is a share of all steps; `shift` is in pixels."""

    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    label_smoothing: float = 0.05
    flip: bool = True
    shift: int = 0
    seed: int = 0
