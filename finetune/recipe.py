"""What a run is asked for. Loads no torch, so that `--help` answers at once."""

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
    """Hyper-parameters of the Trainer.

    learning_rate: the peak, of the head where `layer_decay` is below 1; each layer further down has `layer_decay` times
    that of the one above. warmup: share of all steps. accumulate: batches whose gradients are added up before a step.
    patience: epochs without a better validation result after which training ends. ema: decay of the average of the
    weights, per step; 0 is none. lora_rank: of the adapters in mode lora. drop_path: rate of stochastic depth in the
    last block. shift: in pixels. randaugment: magnitude, 0..10. mixup, cutmix: alpha of the Beta distribution.
    erasing: probability. All of the augmentation is off at 0.
    """

    epochs: int = 10
    batch_size: int = 64
    accumulate: int = 1
    learning_rate: float = 1e-3
    layer_decay: float = 1.0
    weight_decay: float = 0.05
    warmup: float = 0.05
    label_smoothing: float = 0.05
    patience: int = 5
    ema: float = 0.0
    lora_rank: int = 8
    drop_path: float = 0.0
    flip: bool = True
    shift: int = 0
    randaugment: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    erasing: float = 0.0
