"""The place of a checkpoint: a local folder, or a model on the hub."""

from dataclasses import dataclass
from pathlib import Path

from vitscope.export.checkpoint.files import ADAPTER, CONFIG, PROCESSORS
from vitscope.export.checkpoint.hub import HUB_ID, fetch
from vitscope.export.checkpoint.weights import has_weights
from vitscope.export.errors import ExportError

_ACCEPTED = "accepted: a folder with config.json, or a hub id such as team/name"
_NAMED = 4  # sub-folders that an error names


@dataclass(frozen=True)
class Source:
    """Where a checkpoint is. name: of the folder, or the hub id; never a path of this machine."""

    folder: Path
    name: str

    @property
    def has_adapter(self) -> bool:
        return (self.folder / ADAPTER).is_file()

    @property
    def is_whole(self) -> bool:
        """True if the folder has a model of its own: not an adapter alone."""
        return (self.folder / CONFIG).is_file() and has_weights(self.folder)


def find(text: str, option: str = "CHECKPOINT") -> Source:
    """Find a local folder, or fetch a hub id such as `google/vit-base-patch16-224` if there is no such folder.

    option: its name in errors. Raises ExportError if it is neither, or has neither a model nor an adapter.
    """
    path = Path(text).expanduser()
    if not path.is_dir():
        if path.exists():
            raise ExportError(f"{option} {text}: a file; {_ACCEPTED}")
        if not HUB_ID.fullmatch(text):
            raise ExportError(f"{option} {text}: there is no such folder; {_ACCEPTED}")
        source = Source(fetch(text, option), text)
    else:
        source = Source(path, path.resolve().name)
    if not (path.is_dir() or (source.folder / CONFIG).is_file() or source.has_adapter):
        raise ExportError(f"{option} {text}: this model on the hub has no {CONFIG}; {_ACCEPTED}")
    if not (source.folder / CONFIG).is_file() and not source.has_adapter:
        raise ExportError(f"{option} {text}: this folder has no {CONFIG}{_deeper(text, path, CONFIG)}; {_ACCEPTED}")
    if not has_weights(source.folder) and not source.has_adapter:
        raise ExportError(
            f"{option} {text}: no weights beside its {CONFIG}{_deeper(text, path, None)}{_other(source.folder)}; "
            "accepted: model.safetensors, pytorch_model.bin, or their shards with an index"
        )
    return source


def find_processor(text: str, option: str = "--processor") -> Source:
    """Find the folder or model on the hub that has an image processor; it needs no weights."""
    path = Path(text).expanduser()
    if path.is_dir():
        source = Source(path, path.resolve().name)
    elif path.exists() or not HUB_ID.fullmatch(text):
        kind = "a file" if path.exists() else "there is no such folder"
        raise ExportError(f"{option} {text}: {kind}; accepted: a folder with preprocessor_config.json, or a hub id")
    else:
        source = Source(fetch(text, option, weights=False), text)
    if not any((source.folder / name).is_file() for name in PROCESSORS):
        raise ExportError(f"{option} {text}: has neither {PROCESSORS[1]} nor {PROCESSORS[0]}")
    return source


def other_adapters(folder: Path) -> list[str]:
    """Return the sub-folders that hold an adapter."""
    return sorted(path.parent.name for path in folder.glob(f"*/{ADAPTER}"))


def _deeper(text: str, folder: Path, needed: str | None) -> str:
    """Return a hint at sub-folders that have what is missing, as a Trainer leaves them (checkpoint-500)."""
    if not folder.is_dir():
        return ""
    found = [
        path
        for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        if path.is_dir() and (has_weights(path) or (path / ADAPTER).is_file()) and (not needed or _is_model(path))
    ]
    if not found:
        return ""
    names = ", ".join(f"{path.name}/" for path in found[-_NAMED:])
    has = "has one" if needed else "has them"
    return f", but {names} {has}: give {text.rstrip('/')}/{found[-1].name}"


def _is_model(path: Path) -> bool:
    return (path / CONFIG).is_file() or (path / ADAPTER).is_file()


def _other(folder: Path) -> str:
    kinds = {
        "tf_model*.h5": "TensorFlow",
        "flax_model*.msgpack": "Flax",
        "*.gguf": "GGUF",
        "*.onnx": "ONNX",
        "*.ckpt*": "checkpoint (.ckpt)",
        "*.pt*": "PyTorch (.pt, .pth)",
    }
    found = [f"{kind} weights" for pattern, kind in kinds.items() if any(folder.glob(pattern))]
    return f" (it holds {' and '.join(found)})" if found else ""
