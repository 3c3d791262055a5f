"""Changes to copies of a checkpoint, for tests."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


def edit(path: Path, **changes: object) -> None:
    """Change settings of a JSON file; None removes one."""
    found = {**json.loads(path.read_text()), **changes} if path.exists() else changes
    path.write_text(json.dumps({name: value for name, value in found.items() if value is not None}))


def rewrite(folder: Path, change: Callable[[dict[str, np.ndarray]], None], file: str = "model.safetensors") -> None:
    """Change the weights of a checkpoint in place."""
    tensors = load_file(folder / file)
    change(tensors)
    save_file(tensors, folder / file, metadata={"format": "pt"})
