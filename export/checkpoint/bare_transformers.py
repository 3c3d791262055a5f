"""Weights of a model of transformers without a configuration: another checkpoint's config.json gives the shape."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from vitscope.export.checkpoint.config import read_config
from vitscope.export.checkpoint.files import CONFIG, temporary_files
from vitscope.export.checkpoint.hub import HUB_ID, fetch
from vitscope.export.checkpoint.processor import processor_files
from vitscope.export.checkpoint.state import State, prefix_of, without
from vitscope.export.errors import ExportError

_OPTION = "--architecture"
_HEADS = ("classifier.weight", "cls_classifier.weight")


def config_folder(architecture: str) -> Path | None:
    """Return the folder of the config.json that `--architecture` names; None for a model of timm or torchvision.

    architecture: a folder, a config.json, or a hub id of a team (google/vit-base-patch16-224).
    """
    path = Path(architecture).expanduser()
    if path.is_file():
        if path.name != CONFIG:
            raise ExportError(f"{_OPTION} {architecture}: a file; accepted: a {CONFIG}, or a folder with one")
        return path.parent
    if not path.is_dir() and "/" in architecture and HUB_ID.fullmatch(architecture):
        path = fetch(architecture, _OPTION, weights=False)
    elif not path.is_dir():
        if "/" in architecture:
            raise ExportError(f"{_OPTION} {architecture}: there is no such folder")
        return None
    if not (path / CONFIG).is_file():
        raise ExportError(f"{_OPTION} {architecture}: this folder has no {CONFIG}")
    return path


def write(
    folder: Path, state: State, shape: Path, labels: Sequence[str] | None, where: str
) -> tuple[list[str], str | None]:
    """Write weights and configuration as a checkpoint of transformers.

    shape: the folder of the configuration. Returns notes, and where the image processor is, if it is there too.
    Raises ExportError for a model that does not classify images, and for names that are not as many as the outputs.
    """
    config, notes = read_config(shape, _OPTION)
    config["architectures"] = [_classifier(config)]
    prefix = prefix_of(state, _parts(config), parts=True)
    own, aside = without(state, prefix)
    head = next((own[name] for name in _HEADS if name in own), None)
    if head is None:
        raise ExportError(
            f"{where}: holds no {_HEADS[0]}, which {config['architectures'][0]} has; accepted: weights of the "
            "architecture that is named, a fine-tuned classifier"
        )
    names = list(labels or _names(config))
    if len(names) != len(head):
        source = "--labels" if labels else f"the {CONFIG} of {_OPTION}"
        raise ExportError(
            f"{where}: its classifier has {len(head)} outputs, and {source} names {len(names)} labels; give --labels "
            f"FILE with {len(head)} names"
        )
    config.pop("num_labels", None)
    config["id2label"] = {str(number): name for number, name in enumerate(names)}
    config["label2id"] = {name: number for number, name in enumerate(names)}
    with temporary_files():
        (folder / CONFIG).write_text(json.dumps(config))
        safetensors.torch.save_file(own, folder / "model.safetensors", metadata={"format": "pt"})
    if aside:
        notes = (*notes, f"{where}: weights of other parts were left aside: {', '.join(aside)}")
    processor = str(shape) if processor_files(shape) else None
    if processor:
        notes = (*notes, f"{where}: images are prepared as {_OPTION} says; if training differed, give --processor")
    return list(notes), processor


def _classifier(config: Mapping[str, Any]) -> str:
    given = (config.get("architectures") or ["none"])[0]
    if given.endswith(("ForImageClassification", "WithTeacher")):
        return str(given)
    found = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.get(config.get("model_type", ""))
    if not found:
        raise ExportError(f"{_OPTION}: {given} of its {CONFIG} has no classifier of images in transformers")
    return found if isinstance(found, str) else str(found[0])


def _parts(config: Mapping[str, Any]) -> set[str]:
    """Return the first parts of the names of the model's weights, such as `vit` and `classifier`."""
    kind = getattr(transformers, config["architectures"][0], None)
    if kind is None or config.get("model_type") not in CONFIG_MAPPING:
        raise ExportError(f"{_OPTION}: transformers {transformers.__version__} has no {config['architectures'][0]}")
    with torch.device("meta"):
        model = kind(CONFIG_MAPPING[config["model_type"]].from_dict(dict(config)))
    return {name.partition(".")[0] for name in model.state_dict()}


def _names(config: Mapping[str, Any]) -> list[str]:
    found = config.get("id2label") or {}
    return [found[key] for key in sorted(found, key=int)]
