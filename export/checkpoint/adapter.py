"""PEFT adapters (LoRA and the like), merged into the weights of their base."""

import importlib.util
import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming, rename_source_key

from vitscope.export.checkpoint.files import ADAPTER, one_line, read_json
from vitscope.export.checkpoint.weights import adapter_file
from vitscope.export.errors import ExportError

_PREFIX = "base_model.model."
_TOLERANCE = 1e-3  # of the spread of the logits: merging rounds, and forgets nothing


class Adapter:
    """One adapter, as its folder has it.

    kind: such as LORA. base: the folder or hub id that it names. file: its weights.
    """

    def __init__(self, folder: Path, option: str) -> None:
        """Read an adapter. Raises ExportError if it cannot be read, or if peft is not installed."""
        self.option, self.settings = option, read_json(folder / ADAPTER, option)
        self.kind = str(self.settings.get("peft_type") or "unknown")
        self.base = self.settings.get("base_model_name_or_path") or None
        self.file = adapter_file(folder, option)
        if importlib.util.find_spec("peft") is None:
            raise ExportError(
                f"{option}: holds a PEFT adapter ({self.kind}, {ADAPTER}); install peft (pip install peft) and it is "
                "merged, or merge it yourself (merge_and_unload, then save_pretrained)"
            )
        self._tensors = _read(self.file, option)

    def saved(self, suffix: str) -> tuple[int, ...] | None:
        """Return the shape of a whole tensor in the adapter whose name ends so, such as `classifier.weight`."""
        return next((tuple(t.shape) for name, t in self._tensors.items() if name.endswith(f".{suffix}")), None)

    def covers(self, name: str) -> bool:
        """Return whether the adapter brings this whole weight of the model with it."""
        return f"{_PREFIX}{name}" in self._tensors

    def merge(self, model: Any) -> Any:
        """Merge the adapter into a model, in place. Returns the model, of its own class again.

        Raises ExportError if peft cannot, or if anything of the adapter is left over.
        """
        from peft import PeftModel, get_peft_model_state_dict

        settings, tensors = self._of_today(model)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they warn of is checked below
            (Path(folder) / ADAPTER).write_text(json.dumps(settings))
            save_file(tensors, Path(folder) / "adapter_model.safetensors", metadata={"format": "pt"})
            try:
                adapted = PeftModel.from_pretrained(model, folder).eval()
                loaded = get_peft_model_state_dict(adapted)
                self._check_all_loaded(tensors, loaded)
                before = _answer(adapted)
                merged = adapted.merge_and_unload(safe_merge=True).eval()
            except (ValueError, RuntimeError, LookupError, TypeError, AttributeError, NotImplementedError) as error:
                raise ExportError(
                    f"{self.option}: its adapter ({self.kind}) cannot be merged by peft: {one_line(error)}; accepted: "
                    "adapters with merge_and_unload, such as LoRA"
                ) from error
        spread = max(float(before.std()), 1e-6)
        if type(merged) is not type(model) or float((_answer(merged) - before).abs().max()) > _TOLERANCE * spread:
            raise ExportError(
                f"{self.option}: its adapter ({self.kind}) gives other logits merged than beside its base"
            )
        return merged.requires_grad_(False)

    def _check_all_loaded(self, tensors: Mapping[str, torch.Tensor], loaded: Mapping[str, torch.Tensor]) -> None:
        lost = [n for n, t in tensors.items() if n not in loaded or not torch.equal(loaded[n].float(), t.float())]
        absent = sorted(set(loaded) - set(tensors))
        if lost or absent:
            what = f"{lost[0]} is not taken up by the base" if lost else f"its weights lack {absent[0]}"
            raise ExportError(
                f"{self.option}: of its adapter, {what} ({len(lost) + len(absent)} tensors in all); accepted: "
                f"an adapter of this base (it names {self.base})"
            )

    def _of_today(self, model: Any) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Return settings and tensors with the names that this version of transformers gives to modules."""
        renamings = [entry for entry in get_model_conversion_mapping(model) if isinstance(entry, WeightRenaming)]
        modules = dict(model.named_modules())
        tensors, targets, renamed = {}, set(), {}
        for full, tensor in self._tensors.items():
            old = full.removeprefix(_PREFIX)
            name = old if _module(old, modules) else rename_source_key(old, renamings, [])[0]
            module = _module(name, modules)
            tensors[_PREFIX + name] = tensor.contiguous()
            if module and name.removeprefix(f"{module}.") not in dict(modules[module].named_parameters()):
                targets.add(module)
            if module and name != old:
                depth = name.removeprefix(module).count(".")
                renamed[old.rsplit(".", depth)[0].rpartition(".")[2]] = module.rpartition(".")[2]
        settings = {**self.settings, "base_model_name_or_path": None}
        if renamed:
            settings["target_modules"] = sorted(targets)
            for key in ("rank_pattern", "alpha_pattern"):
                settings[key] = {
                    ".".join(renamed.get(part, part) for part in pattern.split(".")): value
                    for pattern, value in (settings.get(key) or {}).items()
                }
        return settings, tensors


def _module(name: str, modules: Mapping[str, Any]) -> str | None:
    """Return the longest beginning of a tensor's name that is a module with weights; None if only a container is."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        found = ".".join(parts[:count])
        if found in modules:
            return found if dict(modules[found].named_parameters(recurse=False)) else None
    return None


def _read(file: Path, option: str) -> dict[str, torch.Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ExportError(f"{option}: {file.name} cannot be read: {one_line(error)}") from error
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise ExportError(f"{option}: {file.name} is not a dictionary of tensors")
    return found


@torch.inference_mode()
def _answer(model: Any) -> torch.Tensor:
    """Return the logits of two images of fixed noise."""
    size = model.config.image_size
    height, width = size if isinstance(size, list | tuple) else (size, size)
    noise = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    logits: torch.Tensor = model(pixel_values=noise).logits
    return logits
