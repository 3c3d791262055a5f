"""The files of a checkpoint: names, JSON, and what stands in the place of a file that is not there."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from vitscope.export.errors import ExportError

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
# transformers reads the image processor from the first of these that holds one; the former nests it.
PROCESSORS = ("processor_config.json", "preprocessor_config.json")
LFS_POINTER = b"version https://git-lfs"


def read_json(path: Path, option: str) -> dict[str, Any]:
    """Read a JSON object. Raises ExportError that names the file for anything else."""
    refuse_pointer(path, option)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ExportError(f"{option}: {path.name} cannot be read: {one_line(error)}; accepted: JSON") from error
    if not isinstance(found, dict):
        raise ExportError(f"{option}: {path.name} holds {type(found).__name__}; accepted: a JSON object")
    return found


def refuse_pointer(path: Path, option: str) -> None:
    """Raise ExportError for a file that git clone left as a pointer to the real one."""
    try:
        with path.open("rb") as file:
            pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError as error:
        raise ExportError(f"{option}: {path.name} cannot be read: {error.strerror or error}") from error
    if pointer:
        raise ExportError(
            f"{option}: {path.name} is a pointer of git LFS, not the file itself; fetch it with `git lfs pull`"
        )


def one_line(error: object) -> str:
    """Return the first paragraph of an error's text, on one line."""
    paragraph = str(error).strip().split("\n\n")[0]
    return " ".join(paragraph.split())


@contextmanager
def temporary_files() -> Iterator[None]:
    """Raise ExportError for temporary files that cannot be written inside the block, as on a full disk."""
    try:
        yield
    except (OSError, SafetensorError) as error:  # safetensors has errors of its own for a full disk
        reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
        raise ExportError(
            f"temporary files cannot be written to {tempfile.gettempdir()}: {reason}; TMPDIR names another folder"
        ) from error
