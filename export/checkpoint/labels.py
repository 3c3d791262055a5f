"""The names of the classes: those of config.json, of a file, or ImageNet-1k's."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from vitscope.export.errors import ExportError

IMAGENET = ("imagenet", "imagenet-1k")
_OPTION = "--labels"


def read_labels(text: str) -> tuple[str, ...]:
    """Read the names of a file, or ImageNet-1k's for the word `imagenet`.

    A file has a name on each line, or holds JSON: a list, or an object from numbers to names, or from names to
    numbers. Raises ExportError for anything else.
    """
    if text in IMAGENET and not Path(text).is_file():
        return tuple((files(__package__) / "imagenet.txt").read_text(encoding="utf-8").splitlines())
    path = Path(text).expanduser()
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise ExportError(
            f"{_OPTION} {text}: {reason}; accepted: a file with a name on each line, a JSON file, or the word imagenet"
        ) from error
    names = _json(content, text) if content.lstrip()[:1] in ("[", "{") else content.splitlines()
    while names and not names[-1].strip():
        names.pop()
    if empty := [number for number, name in enumerate(names, 1) if not name.strip()]:
        raise ExportError(f"{_OPTION} {text}: name {empty[0]} of {len(names)} is empty")
    if not names:
        raise ExportError(f"{_OPTION} {text}: no names")
    return tuple(name.strip() for name in names)


def _json(content: str, text: str) -> list[str]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise ExportError(f"{_OPTION} {text}: not JSON ({error})") from error
    if isinstance(found, Mapping):
        found = found.get("id2label", found)
        try:
            found = _by_number(found)
        except (ValueError, TypeError) as error:
            raise ExportError(f"{_OPTION} {text}: {error}") from error
    if not isinstance(found, list) or not all(isinstance(name, str | int | float) for name in found):
        raise ExportError(f"{_OPTION} {text}: accepted is a list of names, or an object from numbers to names")
    return [str(name) for name in found]


def _by_number(found: Mapping[str, Any]) -> list[Any]:
    numbers = list(found) if all(key.isdecimal() for key in found) else None
    names = {int(key): found[key] for key in numbers} if numbers else {int(found[name]): name for name in found}
    if sorted(names) != list(range(len(found))):
        raise ValueError(f"its numbers must be 0 to {len(found) - 1}, each once")
    return [names[number] for number in range(len(names))]


def check_form(config: Mapping[str, Any]) -> None:
    """Raise ExportError for an id2label in config.json that transformers cannot read."""
    found = config.get("id2label") or {}
    if not isinstance(found, Mapping) or not all(str(key).strip().isdecimal() for key in found):
        raise ExportError(
            f"CHECKPOINT: id2label in config.json is {str(found)[:60]}; accepted: an object from numbers to names, or "
            "give --labels"
        )


def config_labels(config: Any) -> tuple[str, ...]:
    """Return the labels of config.json in the order of the logits.

    Raises ExportError unless they are numbered from 0, without gaps, and have names.
    """
    accepted = "or give --labels"
    if set(config.id2label) != set(range(config.num_labels)):
        raise ExportError(
            f"CHECKPOINT: id2label in config.json numbers its labels {sorted(config.id2label)[:5]} and so on; "
            f"accepted: 0 to {config.num_labels - 1}, each once, {accepted}"
        )
    names = [config.id2label[number] for number in range(config.num_labels)]
    if wrong := [number for number, name in enumerate(names) if not isinstance(name, str | int | float)]:
        raise ExportError(
            f"CHECKPOINT: label {wrong[0]} in config.json is {names[wrong[0]]!r}; accepted: names, {accepted}"
        )
    return tuple(map(str, names))
