"""Objectives by scenario and phase, read from YAML. A bar is the bound of one objective."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vitscope.loadtest.scenarios import SCENARIOS


class ObjectivesError(Exception):
    """The file cannot be used. The message names the place, what was found and what is accepted."""


@dataclass(frozen=True)
class Objective:
    """at_most: whether the bar is an upper bound. most: the largest bar that is accepted."""

    at_most: bool
    most: float = float("inf")


OBJECTIVES = {
    "p50_ms": Objective(at_most=True),
    "p95_ms": Objective(at_most=True),
    "p99_ms": Objective(at_most=True),
    "refusal_p99_ms": Objective(at_most=True),
    "error_ratio": Objective(at_most=True, most=1),
    "refusal_ratio": Objective(at_most=True, most=1),
    "goodput": Objective(at_most=False),
    "goodput_ratio": Objective(at_most=False, most=1),
}

# Bars by phase.
Bars = dict[str, dict[str, float]]


def load_objectives(path: Path, scenario: str) -> Bars:
    """Return the bars of one scenario, after checking the whole file. Raises ObjectivesError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ObjectivesError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ObjectivesError(f"{path}: not UTF-8 text ({error.reason})") from error
    try:
        found = parse_objectives(text)
    except ObjectivesError as error:
        raise ObjectivesError(f"{path}: {error}") from error
    if scenario not in found:
        raise ObjectivesError(f"{path}: no objectives for the scenario {scenario!r}, only for: {', '.join(found)}")
    if scenario == "ramp" and "step" not in found[scenario]:
        raise ObjectivesError(f"{path}: ramp: no objectives for 'step', by which the knee is found")
    return found[scenario]


def parse_objectives(text: str) -> dict[str, Bars]:
    """Return bars by scenario and phase. Raises ObjectivesError."""
    try:
        document = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ObjectivesError(f"not YAML: {' '.join(str(error).split())}") from error
    return {
        scenario: {
            phase: {name: _bar(f"{scenario}.{phase}.{name}", name, bar) for name, bar in bars.items()}
            for phase, bars in _known(scenario, phases, dict.fromkeys(SCENARIOS[scenario].phases, OBJECTIVES))
        }
        for scenario, phases in _known("", document, {name: {} for name in SCENARIOS})
    }


def _known(place: str, found: Any, accepted: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the items of a mapping of mappings, after checking the keys of both against `accepted`.

    An empty entry of `accepted` takes any keys in the inner mapping.
    """
    where = place or "the file"
    if not isinstance(found, dict) or not found:
        raise ObjectivesError(f"{where}: {_shown(found)}; accepted: a mapping of {', '.join(accepted)}")
    for name, inner in found.items():
        _check_name(where, name, accepted)
        path = f"{place}.{name}".lstrip(".")
        if not isinstance(inner, dict) or not inner:
            kind = ", ".join(accepted[name]) or "phases"
            raise ObjectivesError(f"{path}: {_shown(inner)}; accepted: a mapping of {kind}")
        for one in inner if accepted[name] else ():
            _check_name(path, one, accepted[name])
    return list(found.items())


def _check_name(where: str, name: Any, accepted: dict[str, Any]) -> None:
    if not isinstance(name, str) or name not in accepted:
        raise ObjectivesError(f"{where}: {_shown(name)} is not known; accepted: {', '.join(accepted)}")


def _bar(place: str, name: str, bar: Any) -> float:
    most = OBJECTIVES[name].most
    if isinstance(bar, bool) or not isinstance(bar, int | float) or not 0 <= bar <= most or bar == float("inf"):
        accepted = "a number from 0" + (f" to {most:g}" if most < float("inf") else "")
        raise ObjectivesError(f"{place}: {_shown(bar)}; accepted: {accepted}")
    return float(bar)


def _shown(value: Any) -> str:
    """Return a value as text of at most 60 characters: it may be a whole document."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys, of which a YAML loader silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ObjectivesError(f"{key.value!r} is there twice (line {key.start_mark.line + 1})")
                seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping
