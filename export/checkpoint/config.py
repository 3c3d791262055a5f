"""config.json: what export refuses in it, and what it overrides."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from vitscope.export.checkpoint.files import CONFIG, read_json
from vitscope.export.errors import ExportError

# Files that quantisation tools leave beside the weights.
_QUANTISED = ("quantize_config.json", "quant_config.json", "quanto_qmap.json", "quantization_map.json")
# Export has attention of its own. These are names that transformers has written over the years.
_ATTENTION = (
    "attn_implementation", "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset",
)  # fmt: skip
_CODE = "auto_map"
_TIMM = "timm_wrapper"
_SIDES = ("image_size", "patch_size")


def read_config(folder: Path, option: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read the settings of the model, ready for transformers, and notes on what is overridden.

    Raises ExportError for quantised checkpoints, for custom code that transformers has no class of its own for, and
    for a kind of model that it does not know.
    """
    found, notes = read_json(folder / CONFIG, option), []
    if is_timm(found):
        _wrap_timm(found, option)
    _refuse_quantised(folder, found, option)
    kind, architecture = found.get("model_type"), (found.get("architectures") or ["none"])[0]
    code = found.pop(_CODE, None)
    if code is not None:
        if kind not in CONFIG_MAPPING or not hasattr(transformers, str(architecture)):
            raise ExportError(f"{option}: {CONFIG} asks for {custom_code(code)}")
        notes.append(
            f"{option}: {CONFIG} names code of its own ({_names(code)}), which was not run; transformers' own "
            f"{architecture} took its place"
        )
    if kind is not None and kind not in CONFIG_MAPPING:
        raise ExportError(
            f"{option}: {CONFIG} has the model_type {kind!r}, which transformers {transformers.__version__} does not "
            f"know (architecture {architecture})"
        )
    for name in _ATTENTION:
        found.pop(name, None)
    for name in _SIDES:
        if name in found and not _takes_lists(kind, name):
            found[name] = _side(found[name])
    return found, tuple(notes)


def _takes_lists(kind: str | None, name: str) -> bool:
    """Return True if models of this kind have a list by default, as Hiera does: they take nothing else."""
    return kind in CONFIG_MAPPING and isinstance(getattr(CONFIG_MAPPING[kind](), name, None), list | tuple)


def is_timm(config: Mapping[str, Any]) -> bool:
    """Return True for settings of a model of timm: as timm writes them, or as transformers does for its wrapper."""
    return config.get("model_type") == _TIMM or ("model_type" not in config and "pretrained_cfg" in config)


def _wrap_timm(config: dict[str, Any], option: str) -> None:
    """Have transformers load it with its wrapper. Raises ExportError without timm."""
    if importlib.util.find_spec("timm") is None or importlib.util.find_spec("torchvision") is None:
        raise ExportError(
            f"{option}: a model of timm ({config.get('architecture')}); to export it, install vitscope[timm]"
        )
    config |= {"model_type": _TIMM, "architectures": ["TimmWrapperForImageClassification"]}


def custom_code(code: object) -> str:
    """Return the end of an error about code that a checkpoint asks to be run."""
    return (
        f"code of its own ({_names(code)}), and export never runs code of a checkpoint; accepted: checkpoints of "
        "classes that transformers has itself"
    )


def _names(code: object) -> str:
    names = code.values() if isinstance(code, Mapping) else [code]
    flat = [name for value in names for name in (value if isinstance(value, list | tuple) else [value])]
    return ", ".join(str(name) for name in flat if name)


def _refuse_quantised(folder: Path, config: Mapping[str, Any], option: str) -> None:
    settings = config.get("quantization_config") or config.get("compression_config")
    file = next((name for name in _QUANTISED if (folder / name).is_file()), None)
    if not settings and not file:
        return
    method = "an unknown method"
    if isinstance(settings, Mapping):
        method = str(settings.get("quant_method") or settings.get("quant_type") or method)
        bits = [key.removeprefix("load_in_") for key in ("load_in_4bit", "load_in_8bit") if settings.get(key)]
        method = " ".join([method, *bits])
    where = f"quantization_config in {CONFIG}" if settings else file
    raise ExportError(
        f"{option}: quantised by {method} ({where}); accepted: float weights. Dequantise first "
        "(model.dequantize(), then save_pretrained), or export the checkpoint that it was made from; "
        "--int8 and --fp8 make 8-bit graphs of it"
    )


def _side(value: object) -> object:
    """Return a list of equal sides as one number, which is what interpolation in transformers takes."""
    if isinstance(value, list | tuple):
        return value[0] if len(set(value)) == 1 and len(value) <= 2 else list(value)
    return value
