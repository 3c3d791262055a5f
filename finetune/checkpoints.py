"""The Trainer's checkpoints: which are whole, so that one can go on from them after an interruption at any moment."""

import shutil
from pathlib import Path

_MARK = "complete"
_PREFIX = "checkpoint-"


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
