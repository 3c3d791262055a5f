"""The image processor of a checkpoint, as transformers makes it."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoImageProcessor

from vitscope.export.checkpoint.config import custom_code, is_timm
from vitscope.export.checkpoint.files import CONFIG, PROCESSORS, one_line, read_json, temporary_files
from vitscope.export.checkpoint.timm_processor import TimmProcessor
from vitscope.export.errors import ExportError


def processor_files(folder: Path) -> list[Path]:
    """Return the files that transformers reads the image processor from."""
    return [folder / name for name in (PROCESSORS[1], PROCESSORS[0]) if (folder / name).is_file()]


def load_processor(folder: Path, config: Path, option: str, hint: str = "") -> tuple[Any, str, tuple[str, ...]]:
    """Load the image processor with Pillow as its backend.

    Returns it, the class and backend that images had in training, and notes on how it is read.

    config: a config.json that transformers can read; it names the processor where its own file does not. hint: where
    to take it from if the folder has none. Raises ExportError if there is none, or if it is not of transformers.
    """
    settings = _settings(folder, option)
    if settings is None and is_timm(of_model := read_json(config, option)):
        return TimmProcessor(of_model), "timm (torchvision on Pillow images)", ()
    if settings is None:
        raise ExportError(
            f"{option}: no {PROCESSORS[1]} (or {PROCESSORS[0]}) says how images were prepared in training; give "
            f"--processor FOLDER_OR_ID to take it from the checkpoint that this one was made of{hint}"
        )
    with tempfile.TemporaryDirectory() as scratch:
        with temporary_files():
            for path in processor_files(folder):
                shutil.copyfile(path, Path(scratch) / path.name)
            shutil.copyfile(config, Path(scratch) / CONFIG)
        try:
            # Without torchvision the default backend would warn and then fall back to this one.
            processor = AutoImageProcessor.from_pretrained(scratch, backend="pil", trust_remote_code=False)
        except Exception as error:  # whatever its constructor makes of settings that it does not understand
            if code := _code(settings):
                raise ExportError(
                    f"{option}: its image processor is {custom_code(code)} (give one with --processor FOLDER_OR_ID)"
                ) from error
            reason = one_line(error).replace(scratch, folder.name)
            raise ExportError(
                f"{option}: its image processor cannot be loaded by transformers: {type(error).__name__}: {reason}"
            ) from error
    _refuse_former_nearest(settings, processor, option)
    return processor, _trained_with(settings, processor), _notes(settings, processor, option)


def _trained_with(settings: Mapping[str, Any], processor: Any) -> str:
    kind = settings.get("image_processor_type")
    if not kind and (former := settings.get("feature_extractor_type")):
        return f"{former} (pil)"
    kind = str(kind or type(processor).__name__.removesuffix("Pil"))
    # Transformers 4 said Fast where it used torchvision; transformers 5 uses what is installed, and does not say.
    return f"{kind} ({'torchvision' if kind.endswith('Fast') else 'torchvision or pil'})"


def _settings(folder: Path, option: str) -> dict[str, Any] | None:
    """Return the settings that transformers takes; those nested in processor_config.json have priority."""
    nested, own = (folder / name for name in PROCESSORS)
    if nested.is_file():
        found = read_json(nested, option).get("image_processor")
        if isinstance(found, dict):
            return found
    return read_json(own, option) if own.is_file() else None


def _code(settings: Mapping[str, Any]) -> object:
    code = settings.get("auto_map")
    return code.get("AutoImageProcessor", code) if isinstance(code, Mapping) else code


def _notes(settings: Mapping[str, Any], processor: Any, option: str) -> tuple[str, ...]:
    notes, resample = [], settings.get("resample")
    if code := _code(settings):
        notes.append(
            f"{option}: its image processor names code of its own ({code}), which was not run; transformers' own "
            f"{type(processor).__name__} took its place"
        )
    if isinstance(resample, str):
        notes.append(
            f"{option}: resample is the text {resample!r}, which transformers {transformers.__version__} reads as "
            f"bilinear with Pillow, and by its name with torchvision; export follows Pillow. Write the number of the "
            "filter instead (nearest 0, lanczos 1, bilinear 2, bicubic 3)"
        )
    elif _nearest(processor):
        notes.append(
            f"{option}: resize to the nearest pixel; where training used torchvision, the default of transformers 5, a "
            "pixel that lies halfway between two may be the other one than Pillow's, which the bundle uses "
            "(input.resize in the manifest). Prefer a checkpoint trained with bilinear or bicubic, or compare on "
            "images of your own"
        )
    return tuple(notes)


def _nearest(processor: Any) -> bool:
    return bool(getattr(processor, "do_resize", False)) and getattr(processor, "resample", None) == 0


def _refuse_former_nearest(settings: Mapping[str, Any], processor: Any, option: str) -> None:
    """Raise ExportError for nearest of transformers 4 with torchvision: other pixels than Pillow's nearly everywhere.

    Its later releases took those of Pillow, and no file says which release it was.
    """
    if _nearest(processor) and (kind := str(settings.get("image_processor_type"))).endswith("Fast"):
        raise ExportError(
            f"{option}: its image processor {kind} resizes to the nearest pixel (resample 0) with torchvision, where "
            "most releases of transformers 4 took other pixels than Pillow does; accepted: resample 2 (bilinear) or 3 "
            f"(bicubic), or, if its pixels are known to be Pillow's, --processor with {kind.removesuffix('Fast')}"
        )
