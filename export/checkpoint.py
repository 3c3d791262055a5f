"""Loading a fine-tuned checkpoint in Hugging Face format, from a folder or from the hub."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from transformers import AutoConfig, AutoImageProcessor
from transformers.utils import logging as transformers_logging

from bundle.hashing import sha256_of
from export.errors import ExportError
from export.families import Family, family_of

CONFIGS = ("config.json", "preprocessor_config.json")
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # the first kind that is there is the one that is loaded


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint. `model` is in float32 and evaluation mode, exactly as transformers builds it.

    folder: where its files are (for a hub id, in the local cache). source: folder name or hub id, for the manifest.
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


def load_checkpoint(source: str) -> Checkpoint:
    """Load a local folder, or else a hub id such as `google/vit-base-patch16-224`.

    Raises ExportError when it cannot be found or read, is not of a supported family, or lacks weights of its own.
    """
    folder, is_local = Path(source).expanduser(), True
    if not folder.is_dir():
        folder, is_local = _download(source), False
    _quiet()
    try:
        config = AutoConfig.from_pretrained(folder)
        family = family_of(config)
        model = _load_model(folder, config.architectures[0])
        # Without torchvision the default backend would warn and then fall back to this one.
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ExportError(f"CHECKPOINT {source}: cannot be loaded by transformers: {error}") from error
    return Checkpoint(model, processor, family, folder, folder.resolve().name if is_local else source, _digest(folder))


def _load_model(folder: Path, architecture: str) -> Any:
    model, loading = getattr(transformers, architecture).from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    if missing := sorted(loading["missing_keys"]):
        raise ExportError(
            f"CHECKPOINT: its weights lack {', '.join(missing[:3])}{' and more' if len(missing) > 3 else ''}, which would "
            "be random; a fine-tuned checkpoint holds every weight of its classifier"
        )
    return model.eval()


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
    """The stage has its own progress display; the libraries' bars and hints would tear through it."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
