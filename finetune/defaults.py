"""The recipe by mode, base and size of the data, for whatever the command line leaves open."""

import math
from typing import Any

from vitscope.finetune.recipe import Recipe

# Steps that a run of each kind takes, and between how many epochs.
_STEPS = {"scratch": (3000, 10, 100), "full": (600, 5, 30), "lora": (800, 5, 40)}
_EMA_FROM = 2000


def default_recipe(mode: str, images: int, width: int, depth: int, image_size: int) -> Recipe:
    """Return the defaults of a mode.

    mode: `scratch`, `full` or `lora`. images: to train on. width: token dimension; narrow models take larger steps.
    depth: encoder blocks. image_size: input side in pixels.
    """
    batch = next(size for least, size in ((5000, 128), (1000, 64), (200, 32), (0, 16)) if images >= least)
    steps, fewest, most = _STEPS[mode]
    epochs = min(max(math.ceil(steps * batch / images), fewest), most)
    scale = math.sqrt(batch / 64)
    common: dict[str, Any] = {"batch_size": batch, "epochs": epochs, "patience": max(5, epochs // 4)}
    if mode == "scratch":
        return Recipe(
            **common,
            learning_rate=_round(min(7e-4 * scale, 1e-3)),
            ema=0.999 if epochs * images / batch >= _EMA_FROM else 0.0,
            drop_path=0.1 if depth >= 12 else 0.0,
            shift=image_size // 14,
            # Thousands of images teach more than distortions of few do.
            randaugment=3.0 if images < 10_000 else 0.0,
            mixup=0.2 if images < 10_000 else 0.0,
            erasing=0.1,
        )
    narrow = min(max(768 / width, 0.5), 6.0)
    if mode == "lora":
        return Recipe(
            **common,
            learning_rate=_round(5e-4 * scale * min(narrow, 2.0)),
            weight_decay=0.0,
            warmup=0.1,
            randaugment=5.0,
        )
    return Recipe(
        **common,
        learning_rate=_round(1e-4 * scale * narrow),
        layer_decay=0.75 if depth >= 8 else 0.85,
        warmup=0.1,
        drop_path=0.1 if depth >= 12 else 0.0,
        randaugment=5.0,
        cutmix=1.0 if images >= 10_000 else 0.0,
        erasing=0.1,
    )


def _round(rate: float) -> float:
    return float(f"{rate:.2g}")
