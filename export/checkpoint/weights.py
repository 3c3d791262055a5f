"""The weight files of a checkpoint: which ones transformers loads, and whether they are what they say."""

import json
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vitscope.export.checkpoint.files import one_line, read_json, refuse_pointer
from vitscope.export.errors import ExportError

# In the order in which transformers looks for them: whole, then in shards that the index names; safetensors first.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEXES = tuple(f"{name}.index.json" for name in WEIGHTS)
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")

_FLOATS = {"F64", "F32", "F16", "BF16"}
_COUNTERS = {"I64", "I32", "BOOL"}  # of buffers such as position_ids


def has_weights(folder: Path) -> bool:
    """Return whether the folder holds weights that transformers would load."""
    return any((folder / name).is_file() for name in (*WEIGHTS, *INDEXES))


def weight_files(folder: Path, option: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the files that are loaded, an index among them, and the names of those that are not.

    Raises ExportError for shards that are missing, pointers of git LFS, files that are cut short and integers or fp8.
    """
    files: list[Path] = []
    unused = []
    for whole, index in zip(WEIGHTS, INDEXES, strict=True):
        for name in (whole, index):
            if (folder / name).is_file():
                if files:
                    unused.append(name)
                    continue
                files = [folder / name]
                if name == index:
                    files += [folder / shard for shard in shards(read_json(folder / index, option), index, option)]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise ExportError(
            f"{option}: {files[0].name} names {len(files) - 1} shards, and {', '.join(missing[:3])}"
            f"{f' and {len(missing) - 3} more' if len(missing) > 3 else ''} "
            f"{'is' if len(missing) == 1 else 'are'} not there; fetch or copy the whole checkpoint"
        )
    for path in files:
        check_file(path, option)
    return tuple(files), tuple(unused)


def adapter_file(folder: Path, option: str) -> Path:
    """Return the weights of an adapter. Raises ExportError if there are none, or as `weight_files` does."""
    for name in ADAPTER_WEIGHTS:
        if (folder / name).is_file():
            check_file(folder / name, option)
            return folder / name
    raise ExportError(f"{option}: adapter_config.json without its weights; accepted: {' or '.join(ADAPTER_WEIGHTS)}")


def shards(index: Mapping[str, Any], name: str, option: str) -> list[str]:
    """Return the files that an index names. Raises ExportError for an index that names none, or other folders."""
    found = index.get("weight_map")
    if not isinstance(found, dict) or not found or not all(isinstance(file, str) for file in found.values()):
        raise ExportError(f"{option}: {name} has no weight_map from tensors to files")
    files = sorted(set(found.values()))
    if outside := [file for file in files if Path(file).name != file]:
        raise ExportError(f"{option}: {name} names {outside[0]!r}; accepted: files of the same folder")
    return files


def check_file(path: Path, option: str) -> None:
    """Raise ExportError for a pointer, a file that is cut short or holds objects, and weights that are quantised."""
    refuse_pointer(path, option)
    kinds: Mapping[str, str] = {}
    if path.suffix == ".safetensors":
        kinds = {name: str(t.get("dtype")) for name, t in _header(path, option).items() if name != "__metadata__"}
    elif path.suffix == ".bin":
        kinds = _pickled(path, option)
    for name, kind in kinds.items():
        if kind not in _FLOATS | _COUNTERS:
            raise ExportError(
                f"{option}: {name} in {path.name} is {kind}: quantised weights, whose scales export does not know; "
                "accepted: float32, float16 or bfloat16 (dequantise first, or export the checkpoint it was made from)"
            )


def _pickled(path: Path, option: str) -> dict[str, str]:
    """Return the kinds of the tensors of a pickle. Nothing in it is run, and no tensor read."""
    try:
        found = torch.load(path, map_location="meta", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ExportError(
            f"{option}: {path.name} holds more than tensors, and export never runs what a file holds "
            f"({one_line(error)[:160]}); accepted: a state_dict, best as safetensors"
        ) from error
    except Exception as error:  # whatever torch makes of a file that is damaged or of another format
        raise ExportError(
            f"{option}: {path.name} is damaged, cut short or of another format: {type(error).__name__}: "
            f"{one_line(error)[:160]}"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise ExportError(f"{option}: {path.name} is not a dictionary of tensors; accepted: a state_dict")
    names = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    names |= {torch.int64: "I64", torch.int32: "I32", torch.bool: "BOOL"}
    return {name: names.get(t.dtype, str(t.dtype).removeprefix("torch.")) for name, t in found.items()}


def _header(path: Path, option: str) -> dict[str, Any]:
    size = path.stat().st_size
    broken = f"{option}: cannot be loaded by transformers: {path.name} is damaged or cut short"
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= size - 8:
            raise ExportError(f"{broken}, at {size:,} bytes; fetch or copy it again")
        try:
            header = json.loads(file.read(length))
            end = max((t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"), default=0)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ExportError(f"{broken}: its header is not that of safetensors; fetch or copy it again") from error
    if size != 8 + length + end:
        raise ExportError(f"{broken}: {size:,} bytes, of {8 + length + end:,}; fetch or copy it again")
    return dict(header)
