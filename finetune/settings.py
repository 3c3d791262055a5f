"""The options of one run: of a new one as the command line gives them, of one that goes on as they were."""

import argparse
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from vitscope.finetune.errors import FinetuneError
from vitscope.finetune.recipe import Recipe, Scratch

# Of one call, not of the run.
_OF_CALL = {"data", "out", "resume", "overwrite", "dry_run"}
_LEAST_ONE = ("epochs", "batch_size", "accumulate", "lora_rank", "patience")
_AT_MOST = {"layer_decay": 1.0, "warmup": 1.0, "label_smoothing": 0.99, "ema": 0.99999, "drop_path": 0.9,
            "randaugment": 10.0, "erasing": 1.0}  # fmt: skip


def options_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that describe the run; None is one that was not given."""
    return {name: value for name, value in vars(arguments).items() if name not in _OF_CALL}


def taken_up(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run that goes on. Raises FinetuneError where one was given that differs."""
    for name, value in given.items():
        if value not in (None, False, stored["options"].get(name)):
            was = stored["options"].get(name)
            raise FinetuneError(
                f"{_flag(name)} {value}: the run that --resume goes on with has "
                f"{'its default' if was is None else was}; leave the option out, or begin again with --overwrite"
            )
    return dict(stored["options"])


def scratch_of(options: Mapping[str, Any]) -> Scratch:
    """Return the shape of a model from random weights. Raises FinetuneError for all but its sizes beside --base."""
    given = {field.name: options[field.name] for field in fields(Scratch) if options.get(field.name) is not None}
    other = [name for name in given if name not in ("image_size", "patch_size")]
    if options["base"] and (other or options["from_scratch"]):
        name = next(iter(other), "from_scratch")
        raise FinetuneError(f"{_flag(name)} is for a model from random weights; leave it or --base out")
    return replace(Scratch(), **given)


def recipe_of(options: Mapping[str, Any], default: Recipe) -> Recipe:
    """Return the defaults with what was given in their place. Raises FinetuneError for values out of range."""
    given = {field.name: options[field.name] for field in fields(Recipe) if options.get(field.name) is not None}
    recipe = replace(default, **given)
    if "epochs" in given and "patience" not in given:
        recipe = replace(recipe, patience=max(5, recipe.epochs // 4))
    for name, largest in {"seed": 2**32 - 1, "threads": 1024, "workers": 1024}.items():
        if not 0 <= (options[name] or 0) <= largest:
            raise FinetuneError(f"{_flag(name)} is {options[name]}; accepted: 0 to {largest}")
    for name in _LEAST_ONE:
        if getattr(recipe, name) < 1:
            raise FinetuneError(f"{_flag(name)} is {getattr(recipe, name)}; accepted: 1 or more")
    if not recipe.learning_rate > 0:
        raise FinetuneError(f"--learning-rate is {recipe.learning_rate}; accepted: more than 0")
    for name in ("weight_decay", "shift", "mixup", "cutmix", *_AT_MOST):
        most = _AT_MOST.get(name, float("inf"))
        if not 0 <= getattr(recipe, name) <= most:
            accepted = "0 or more" if most == float("inf") else f"0 to {most:g}"
            raise FinetuneError(f"{_flag(name)} is {getattr(recipe, name)}; accepted: {accepted}")
    if recipe.layer_decay == 0:
        raise FinetuneError("--layer-decay is 0; accepted: more than 0, to 1")
    return recipe


def mode_of(options: Mapping[str, Any]) -> str:
    """Return `scratch`, `probe`, `lora`, `full` or `auto`. Raises FinetuneError for modes that need a base."""
    mode = options["mode"] or ("auto" if options["base"] else "full")
    if not options["base"]:
        if mode != "full":
            raise FinetuneError(f"--mode {mode} needs --base: random weights have nothing to keep; accepted is full")
        return "scratch"
    return str(mode)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
