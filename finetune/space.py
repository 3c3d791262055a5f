"""Is there room on the disk for a run?"""

import shutil
from pathlib import Path
from typing import Any

from vitscope.finetune.errors import FinetuneError

_REPORT = 80 * 1024 * 1024  # samples (64 MiB at most), pictures, records


def check_space(model: Any, out: Path, mode: str) -> int:
    """Return the bytes that a run takes on the disk at its worst moment.

    Raises FinetuneError where there are fewer.
    """
    weights: int = sum(p.numel() * p.element_size() for p in model.parameters())
    # Two checkpoints of the Trainer (weights and twice as much of the optimiser), the best model twice, its copy.
    trained = {"probe": 0, "lora": weights // 4}.get(mode, 6 * weights)
    needed = 4 * weights + trained + _REPORT
    folder = out.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FinetuneError(f"--out {out}: {_size(free)} free on its disk; this run takes up to {_size(needed)}")
    return needed


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
