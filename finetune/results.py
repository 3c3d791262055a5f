"""The finished checkpoint: temperature, report, samples and record, put in place together."""

import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers import AutoModelForImageClassification

from vitscope.dataset import TEST, TRAIN, VALIDATION
from vitscope.evaluate import Card, Epoch, Metrics, Predictions, calibrate, write_report
from vitscope.evaluate.data import root_of
from vitscope.finetune.output import Output
from vitscope.finetune.predict import predict
from vitscope.finetune.prepare import Prepared
from vitscope.finetune.progress import Display
from vitscope.finetune.samples import SAMPLES, write_samples

RECORD = "finetune.json"
_BATCH = 64


def write_results(
    source: str, prepared: Prepared, output: Output, history: Sequence[Epoch], seconds: float, display: Display
) -> tuple[str, Metrics]:
    """Measure the best checkpoint on the test images, else on validation; write everything and put it in place.

    Returns the split that was measured, and the figures.
    """
    result = output.work / "result"
    shutil.rmtree(result, ignore_errors=True)
    shutil.copytree(output.best_folder(), result)
    # As everybody will load it, so that the figures are those of the files.
    model = AutoModelForImageClassification.from_pretrained(result, dtype="float32").to(prepared.place.device)
    found = {
        name: _predictions(model, prepared, name, display) for name in (VALIDATION, TEST) if name in prepared.images
    }
    calibration = calibrate(found[VALIDATION])
    calibration.write(result)
    split = TEST if TEST in found else VALIDATION
    card = _card(source, prepared, output, split)
    metrics = write_report(
        found[split],
        result,
        calibration.temperature,
        card=card,
        history=history,
        root=root_of(source, found[split].paths),
    )
    record = _record(prepared, output, history, found, seconds)
    (result / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    if not (output.folder / SAMPLES).exists():
        images = {name: prepared.data.splits.get(name, ()) for name in (TRAIN, split)}
        write_samples(result, images[split], images[TRAIN], prepared.data.labels)
    output.publish(result)
    output.finish()
    return split, metrics


def _predictions(model: Any, prepared: Prepared, split: str, display: Display) -> Predictions:
    images = prepared.images[split]
    logits = predict(model, images, prepared.normalise, _BATCH, display.track(f"measuring on {split}"))
    paths = tuple(image.path for image in prepared.data.splits[split])
    return Predictions(prepared.data.labels, paths, images.labels, logits)


def _card(source: str, prepared: Prepared, output: Output, split: str) -> Card:
    return Card(
        name=output.folder.resolve().name,
        data=name_of(source),
        split=split,
        counts={name: len(images) for name, images in prepared.images.items()},
        base=name_of(prepared.options["base"]) if prepared.options["base"] else None,
        settings=_settings(prepared),
        command=_command(source, prepared.options, output),
    )


def _settings(prepared: Prepared) -> dict[str, object]:
    """Return what the card lists: no recipe of a probe, which has none, and no rank without adapters."""
    recipe = asdict(prepared.recipe) if prepared.stages != ("probe",) else {}
    if "lora" not in prepared.stages:
        recipe.pop("lora_rank", None)
    return {"mode": " then ".join(prepared.stages), **recipe, "seed": prepared.options["seed"] or 0}


def _record(
    prepared: Prepared, output: Output, history: Sequence[Epoch], found: dict[str, Predictions], seconds: float
) -> dict[str, Any]:
    base = prepared.options["base"]
    best = output.best() or {}
    return {
        "base": name_of(base) if base else "random weights",
        "stages": list(prepared.stages),
        "best": {name: best[name] for name in ("stage", "epoch")},
        "recipe": asdict(prepared.recipe),
        "class_weights": prepared.weights is not None,
        "seed": prepared.options["seed"] or 0,
        "images": {name: len(images) for name, images in prepared.images.items()},
        "labels": dict(zip(prepared.data.labels, prepared.data.counts(TRAIN), strict=True)),
        "notes": list(prepared.data.notes),
        **{f"{name}_accuracy": float(one.correct.mean()) for name, one in found.items()},
        "epochs": [asdict(epoch) for epoch in history],
        "seconds": round(seconds, 1),
        "machine": {"device": str(prepared.place), "threads": prepared.threads.threads},
        "tools": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "accelerate", "peft")},
        },
    }


def _command(source: str, options: dict[str, Any], output: Output) -> str:
    """Return the command line, with names in the place of paths on this machine."""
    words = ["vitscope finetune", name_of(source), f"--out {output.folder.resolve().name}"]
    for name, value in options.items():
        flag = name.replace("_", "-")
        if value is True or value is False:
            words += [f"--{flag}"] if value else [f"--no-{flag}"] if name in ("flip", "class_weights") else []
        elif value is not None:
            words.append(f"--{flag} {name_of(value) if name == 'base' else value}")
    return " ".join(words)


def name_of(source: str) -> str:
    """Return a hub id as it is, and of a local folder only the name, without its path on this machine."""
    return Path(source).resolve().name if Path(source).is_dir() else source
