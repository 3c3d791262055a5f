"""Loading a fine-tuned checkpoint in Hugging Face format, from a folder or from the hub."""

import hashlib
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from vitscope.bundle.hashing import sha256_of
from vitscope.export.checkpoint.adapter import Adapter
from vitscope.export.checkpoint.bare import as_checkpoint, is_bare
from vitscope.export.checkpoint.config import read_config
from vitscope.export.checkpoint.files import ADAPTER, CONFIG, one_line, temporary_files
from vitscope.export.checkpoint.labels import check_form, config_labels, read_labels
from vitscope.export.checkpoint.processor import load_processor, processor_files
from vitscope.export.checkpoint.source import Source, find, find_processor, other_adapters
from vitscope.export.checkpoint.surplus import other_tasks, refuse_mismatched, refuse_missing
from vitscope.export.checkpoint.weights import weight_files
from vitscope.export.errors import ExportError
from vitscope.export.families import Family, family_of

_OPTION = "CHECKPOINT"


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint. `model` is in float32 and evaluation mode, exactly as transformers builds it.

    folder: holds the files (for a hub id, in the local cache). source: folder name or hub id, for the manifest.
    weights_sha256: of configuration and weights together, those of an adapter and its base among them. labels: class
    names in the order of the logits. trained_with: class and backend of the image processor in training. notes: what
    the user should know of how it was read.
    """

    model: Any
    processor: Any
    family: Family
    folder: Path
    source: str
    weights_sha256: str
    labels: tuple[str, ...]
    trained_with: str
    notes: tuple[str, ...] = ()

    @property
    def repeated_labels(self) -> tuple[str, ...]:
        """Labels that name more than one class."""
        return tuple(label for label, count in Counter(self.labels).items() if count > 1)


def load_checkpoint(
    source: str,
    base: str | None = None,
    processor: str | None = None,
    labels: str | None = None,
    architecture: str | None = None,
) -> Checkpoint:
    """Load a local folder, or a hub id such as `google/vit-base-patch16-224` if there is no such folder.

    base: what an adapter is merged into; None takes what it names. processor: where the image processor is; None
    is the checkpoint itself. labels: a file of names, or `imagenet`; None takes those of config.json. architecture: of
    a file of weights, which `source` names: a model of timm or torchvision, or where its config.json is.
    Raises ExportError if the checkpoint cannot be found or read, is not of a supported family, or has weights that are
    missing, left over, quantised, of other shapes than its configuration gives, or not finite.
    """
    _quiet()
    if architecture or is_bare(source):
        with as_checkpoint(source, architecture, read_labels(labels) if labels else None) as bare:
            found = load_checkpoint(str(bare.folder), base, processor or bare.processor)
        return replace(found, notes=(*bare.notes, *found.notes))
    place = find(source)
    adapter = Adapter(place.folder, f"{_OPTION} {source}") if place.has_adapter else None
    model_place = _base(place, adapter, base)
    given = read_labels(labels) if labels else None
    config, notes = read_config(model_place.folder, _OPTION)
    if adapter:
        _fit_head(config, adapter, place, given)
    if given:
        _name_labels(config, given)
    else:
        check_form(config)
    files, unused = weight_files(model_place.folder, _OPTION)
    with tempfile.TemporaryDirectory() as scratch:
        # Only what is meant to be loaded: transformers would find adapters, and read settings that are overridden.
        view = Path(scratch)
        with temporary_files():
            (view / CONFIG).write_text(json.dumps(config))
            for file in files:
                (view / file.name).symlink_to(file.resolve())
        model, family, others = _load(view, adapter, given is not None)
        image = _processor_place(processor, place, model_place)
        loaded, trained_with, processor_notes = load_processor(
            image.folder, view / CONFIG, "--processor" if processor else _OPTION, _hint(config)
        )
    _check_finite(model)
    names = config_labels(model.config)
    notes = (*notes, *_left_over(files, unused, others, place, model_place, adapter), *processor_notes)
    digest = _digest(place, model_place, image, files, adapter, given)
    return Checkpoint(model, loaded, family, place.folder, place.name, digest, names, trained_with, notes)


def _load(view: Path, adapter: Adapter | None, labels_given: bool) -> tuple[Any, Family, tuple[str, ...]]:
    """Load model and adapter. Returns the model, its family, and parts of other tasks that were left aside."""
    try:
        config = AutoConfig.from_pretrained(view, trust_remote_code=False)
        family = family_of(config)
        model, loading = getattr(transformers, config.architectures[0]).from_pretrained(
            view,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            weights_only=True,
        )
    except ExportError:
        raise
    except Exception as error:  # whatever parsers make of files that are truncated or of another format
        raise ExportError(
            f"{_OPTION}: cannot be loaded by transformers: {type(error).__name__}: "
            f"{one_line(error).replace(str(view), 'the checkpoint')}"
        ) from error
    covers = adapter.covers if adapter else lambda _: False
    refuse_mismatched([found for found in loading["mismatched_keys"] if not covers(found[0])], labels_given)
    refuse_missing([name for name in loading["missing_keys"] if not covers(name)])
    others = other_tasks(model, loading["unexpected_keys"])
    model = model.eval()
    return (adapter.merge(model) if adapter else model), family, others


def _base(place: Source, adapter: Adapter | None, base: str | None) -> Source:
    """Return where the model is: the checkpoint itself, or the base of an adapter alone."""
    if adapter is None:
        if base:
            raise ExportError(f"--base {base}: {_OPTION} holds no adapter ({ADAPTER}) that could be merged into it")
        return place
    if base is None and place.is_whole:
        return place
    named = base or adapter.base
    if not named:
        raise ExportError(f"{_OPTION}: an adapter alone, whose {ADAPTER} names no base; give --base FOLDER_OR_ID")
    try:
        found = find(named, "--base")
    except ExportError as error:
        if base:
            raise
        raise ExportError(
            f"{_OPTION}: an adapter alone, and its base cannot be found ({error}); give --base FOLDER_OR_ID"
        ) from error
    if not found.is_whole:
        raise ExportError(f"--base {named}: an adapter too; accepted: a whole model")
    return found


def _fit_head(config: dict[str, Any], adapter: Adapter, place: Source, given: Sequence[str] | None) -> None:
    """Give the base the head that the adapter was trained with: classifier and labels."""
    architecture = (config.get("architectures") or ["none"])[0]
    shape = adapter.saved("classifier.weight") or adapter.saved("cls_classifier.weight")
    if shape is None:
        return
    classifier = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.get(config.get("model_type", ""))
    if classifier and "ImageClassification" not in architecture:
        config["architectures"] = [classifier if isinstance(classifier, str) else classifier[0]]
    if (place.folder / CONFIG).is_file():  # beside the adapter: the model that it was trained in
        own, _ = read_config(place.folder, _OPTION)
        config.update({name: own[name] for name in ("id2label", "label2id", "problem_type") if name in own})
    count = len(given) if given else len(config.get("id2label") or ("LABEL_0", "LABEL_1"))
    if count != shape[0]:
        source = "--labels" if given else "config.json"
        raise ExportError(
            f"{_OPTION}: the classifier of its adapter has {shape[0]} outputs, and {source} names {count} labels; give "
            f"--labels FILE with {shape[0]} names"
        )


def _name_labels(config: dict[str, Any], names: Sequence[str]) -> None:
    config.pop("num_labels", None)
    config["id2label"] = {str(number): name for number, name in enumerate(names)}
    config["label2id"] = {name: number for number, name in enumerate(names)}


def _processor_place(given: str | None, place: Source, model_place: Source) -> Source:
    if given:
        return find_processor(given)
    return place if processor_files(place.folder) else model_place


def _hint(config: dict[str, Any]) -> str:
    name = config.get("_name_or_path")
    return f" (config.json names {name})" if isinstance(name, str) and name and not name.startswith((".", "/")) else ""


def _left_over(
    files: Sequence[Path],
    unused: Sequence[str],
    others: Sequence[str],
    place: Source,
    model_place: Source,
    adapter: Adapter | None,
) -> Iterable[str]:
    if others:
        yield f"{_OPTION}: weights of another task were left aside: {', '.join(others)}"
    if unused:
        yield f"{_OPTION}: {files[0].name} was loaded, as transformers does; {', '.join(unused)} was not"
    if adapter:
        yield f"{_OPTION}: its adapter ({adapter.kind}) was merged into {_merged_into(place, model_place)}"
    if found := [name for name in other_adapters(place.folder) if not name.startswith("checkpoint-")]:
        yield f"{_OPTION}: adapters in its sub-folders are not part of this export: {', '.join(found)}"


def _merged_into(place: Source, model_place: Source) -> str:
    return "the weights beside it" if model_place is place else model_place.name


def _check_finite(model: Any) -> None:
    wrong = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    if wrong:
        raise ExportError(
            f"{_OPTION}: {wrong[0]} holds NaN or infinite values"
            f"{f', as do {len(wrong) - 1} more tensors' if len(wrong) > 1 else ''}; accepted: finite weights"
        )


def _digest(
    place: Source,
    model_place: Source,
    image: Source,
    files: Sequence[Path],
    adapter: Adapter | None,
    labels: Sequence[str] | None,
) -> str:
    """Return the SHA-256 of everything that decides what the checkpoint answers."""
    paths = [model_place.folder / CONFIG, *processor_files(image.folder), *files]
    if adapter:
        paths += [path for path in (place.folder / ADAPTER, adapter.file, place.folder / CONFIG) if path.is_file()]
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in paths]
    lines += [f"{name}\n" for name in labels or ()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _quiet() -> None:
    """Silence the libraries' progress bars and hints, which would break up the display of the export."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    for name in ("torch.onnx", "onnxscript"):
        logging.getLogger(name).setLevel(logging.ERROR)
