"""Weights without a configuration: state dicts, bare or in a training checkpoint (Lightning).

They are written as a checkpoint of transformers or timm, and loaded like any other.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vitscope.export.checkpoint import bare_timm, bare_transformers
from vitscope.export.checkpoint.config import is_timm
from vitscope.export.checkpoint.files import CONFIG, read_json
from vitscope.export.checkpoint.state import read_state
from vitscope.export.errors import ExportError

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")


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
    model = None
    if shape is None:
        model = bare_timm.named(architecture)
    elif is_timm(config := read_json(shape / CONFIG, "--architecture")):
        model = bare_timm.described(config, architecture)
    state, notes = read_state(path, where)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / path.stem
        folder.mkdir()
        if model:
            yield Bare(folder, (*notes, *bare_timm.write(folder, state, model, labels, where)))
        elif shape:
            more, processor = bare_transformers.write(folder, state, shape, labels, where)
            yield Bare(folder, (*notes, *more), processor)
