"""Loading a fine-tuned checkpoint in Hugging Face format, from a folder or from the hub."""

import hashlib
import logging
import pickle
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from transformers import AutoConfig, AutoImageProcessor
from transformers.utils import logging as transformers_logging

from vitscope.bundle.hashing import sha256_of
from vitscope.export.errors import ExportError
from vitscope.export.families import Family, family_of

CONFIGS = ("config.json", "preprocessor_config.json")
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # the first kind that exists is the one that is loaded

# Raised by transformers and its parsers for files that are truncated or of another format.
_UNLOADABLE = (
    OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, EOFError, SafetensorError,
    pickle.UnpicklingError,
)  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint. `model` is in float32 and evaluation mode, exactly as transformers builds it.

    folder: holds the files (for a hub id, in the local cache). source: folder name or hub id, for the manifest.
    weights_sha256: of configuration and weights together.
    """

    model: Any
    processor: Any
    family: Family
    folder: Path
    source: str
    weights_sha256: str

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return tuple(self.model.config.id2label[index] for index in range(self.model.config.num_labels))

    @property
    def repeated_labels(self) -> tuple[str, ...]:
        """Labels that name more than one class."""
        return tuple(label for label, count in Counter(self.labels).items() if count > 1)


def load_checkpoint(source: str) -> Checkpoint:
    """Load a local folder, or a hub id such as `google/vit-base-patch16-224` if there is no such folder.

    Raises ExportError if the checkpoint cannot be found or read, is not of a supported family, or has weights that are
    missing, of other shapes than its configuration gives, or not finite.
    """
    folder = _local(source)
    is_local = folder is not None
    if folder is None:
        folder = _download(source)
    _quiet()
    try:
        config = AutoConfig.from_pretrained(folder)
        family = family_of(config)
        model = _load_model(folder, config.architectures[0])
        # Without torchvision the default backend would warn and then fall back to this one.
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    except _UNLOADABLE as error:
        raise ExportError(
            f"CHECKPOINT {source}: cannot be loaded by transformers: {type(error).__name__}: {error}"
        ) from error
    _check_labels(model.config)
    _check_finite(model)
    return Checkpoint(model, processor, family, folder, folder.resolve().name if is_local else source, _digest(folder))


def _load_model(folder: Path, architecture: str) -> Any:
    model, loading = getattr(transformers, architecture).from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
    )
    if mismatched := sorted(loading["mismatched_keys"]):
        name, found, expected = mismatched[0]
        raise ExportError(
            f"CHECKPOINT: {name} is {list(found)} in its weights, and {list(expected)} by its config.json"
            f"{f' ({len(mismatched)} tensors differ)' if len(mismatched) > 1 else ''}; accepted: weights of the shapes "
            "that config.json gives"
        )
    if missing := sorted(loading["missing_keys"]):
        raise ExportError(
            f"CHECKPOINT: its weights lack {', '.join(missing[:3])}{' and more' if len(missing) > 3 else ''}, which "
            "would be random; a fine-tuned checkpoint holds every weight of its classifier"
        )
    return model.eval()


def _check_labels(config: Any) -> None:
    if set(config.id2label) != set(range(config.num_labels)):
        raise ExportError(
            f"CHECKPOINT: id2label in config.json numbers its labels {sorted(config.id2label)[:5]} and so on; "
            f"accepted: 0 to {config.num_labels - 1}, each once"
        )


def _check_finite(model: Any) -> None:
    wrong = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    if wrong:
        raise ExportError(
            f"CHECKPOINT: {wrong[0]} holds NaN or infinite values"
            f"{f', as do {len(wrong) - 1} more tensors' if len(wrong) > 1 else ''}; accepted: finite weights"
        )


def _local(source: str) -> Path | None:
    """Return the folder that `source` names, or None for a hub id. Raises ExportError if it is neither."""
    path, accepted = Path(source).expanduser(), "accepted: a folder with config.json, or a hub id such as team/name"
    if path.is_dir():
        if not (path / CONFIGS[0]).is_file():
            raise ExportError(f"CHECKPOINT {source}: this folder has no {CONFIGS[0]}; {accepted}")
        return path
    if path.exists():
        raise ExportError(f"CHECKPOINT {source}: a file; {accepted}")
    if not HUB_ID.fullmatch(source):
        raise ExportError(f"CHECKPOINT {source}: there is no such folder; {accepted}")
    return None


def _download(source: str) -> Path:
    try:
        folder = Path(snapshot_download(source, allow_patterns=[*CONFIGS, f"{WEIGHTS[0]}*"]))
        if not any(folder.glob(WEIGHTS[0])):
            folder = Path(snapshot_download(source, allow_patterns=[*CONFIGS, f"{WEIGHTS[1]}*"]))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(
            f"CHECKPOINT {source}: there is no such folder, and as a model on the Hugging Face hub it could not be "
            f"fetched ({reason}); accepted: a folder with config.json, preprocessor_config.json and model.safetensors, "
            "or a hub id"
        ) from error
    return folder


def _digest(folder: Path) -> str:
    weights = next((found for kind in WEIGHTS if (found := sorted(folder.glob(kind)))), [])
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in [*(folder / name for name in CONFIGS), *weights]]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _quiet() -> None:
    """Silence the libraries' progress bars and hints, which would break up the display of the export."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
