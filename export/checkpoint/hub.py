"""Fetching a checkpoint from the Hugging Face hub."""

import re
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import snapshot_download

from vitscope.calibration import CALIBRATION
from vitscope.export.checkpoint.files import ADAPTER, CONFIG, PROCESSORS, one_line, read_json
from vitscope.export.checkpoint.weights import ADAPTER_WEIGHTS, INDEXES, WEIGHTS, shards
from vitscope.export.errors import ExportError

HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


def fetch(repository: str, option: str, weights: bool = True) -> Path:
    """Fetch what transformers reads of a model, and return its folder in the local cache.

    weights: False fetches configuration alone. Of several kinds of weights only those that transformers loads are
    fetched; code never is. Raises ExportError if the hub does not have it or cannot be reached.
    """
    folder = _download(repository, option, (CONFIG, *PROCESSORS, ADAPTER, CALIBRATION))
    if not weights:
        return folder
    if (folder / ADAPTER).is_file():
        _download(repository, option, ADAPTER_WEIGHTS)
    for whole, index in zip(WEIGHTS, INDEXES, strict=True):
        _download(repository, option, (whole, index))
        if (folder / whole).is_file():
            break
        if (folder / index).is_file():
            _download(repository, option, shards(read_json(folder / index, option), index, option))
            break
    return folder


def _download(repository: str, option: str, files: Iterable[str]) -> Path:
    try:
        return Path(snapshot_download(repository, allow_patterns=list(files)))
    except (OSError, ValueError) as error:
        raise ExportError(
            f"{option} {repository}: there is no such folder, and as a model on the Hugging Face hub it could not be "
            f"fetched ({one_line(error)}); accepted: a folder with {CONFIG}, preprocessor_config.json and "
            "model.safetensors, or a hub id"
        ) from error
