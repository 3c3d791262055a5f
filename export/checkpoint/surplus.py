"""Weights that a checkpoint has and its model does not, and the other way round."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from vitscope.export.errors import ExportError

# Parts beside body and head that an image classifier might compute with; everything else there is another task's.
_COMPUTES = re.compile(r"lora|adapter|prompt|norm|token|gamma|scale|(^|\.)fc|(^|\.)bn")
_OTHER_TASK = re.compile(r"(^|\.)(pooler|mask_token|position_ids|num_batches_tracked)(\.|$)")


def refuse_mismatched(mismatched: Collection[tuple[str, Any, Any]], labels_given: bool) -> None:
    """Raise ExportError for tensors of other shapes than config.json, or the number of --labels, gives."""
    if not mismatched:
        return
    name, found, expected = sorted(mismatched)[0]
    others = f" ({len(mismatched)} tensors differ)" if len(mismatched) > 1 else ""
    if labels_given and list(found[1:]) == list(expected[1:]):
        raise ExportError(f"--labels: {expected[0]} names, and {name} in the weights has {found[0]} outputs{others}")
    raise ExportError(
        f"CHECKPOINT: {name} is {list(found)} in its weights, and {list(expected)} by its config.json{others}; "
        "accepted: weights of the shapes that config.json gives"
    )


def refuse_missing(missing: Collection[str]) -> None:
    """Raise ExportError for weights that the model needs and the checkpoint lacks."""
    if missing:
        names = sorted(missing)
        raise ExportError(
            f"CHECKPOINT: its weights lack {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}, which "
            "would be random; a fine-tuned checkpoint holds every weight of its classifier"
        )


def other_tasks(model: Any, unexpected: Iterable[str]) -> tuple[str, ...]:
    """Return the parts of another task among weights that the model does not have, such as `pooler` or `decoder`.

    Raises ExportError for weights that belong to the model itself, as more layers than config.json gives: without them
    it would compute something else than what was trained.
    """
    own, others = [], set()
    prefix = f"{model.base_model_prefix}."
    names = {name.removeprefix(prefix) for name in model.state_dict()}
    patterns, parts = {_without_numbers(name) for name in names}, {name.partition(".")[0] for name in names}
    for full in sorted(unexpected):
        name = full.removeprefix(prefix)
        part = name.partition(".")[0]
        if _OTHER_TASK.search(name):
            others.add(part if part not in parts else name)
        elif full != name or part in parts or _without_numbers(name) in patterns or _COMPUTES.search(name):
            own.append(full)
        else:
            others.add(part)
    if own:
        surplus = [name for name in own if _without_numbers(name.removeprefix(prefix)) in patterns]
        layers = {number for name in surplus for number in re.findall(r"\.(\d+)\.", name)}
        why = f"layers {', '.join(sorted(layers, key=int))} " if layers and len(surplus) == len(own) else ""
        raise ExportError(
            f"CHECKPOINT: its weights hold {why}{'(' if why else ''}{', '.join(own[:3])}"
            f"{f' and {len(own) - 3} more' if len(own) > 3 else ''}{')' if why else ''}, which the model of its "
            "config.json does not have; accepted: a config.json that matches the weights"
        )
    return tuple(sorted(others))


def _without_numbers(name: str) -> str:
    return re.sub(r"\.\d+\.", ".N.", name)
