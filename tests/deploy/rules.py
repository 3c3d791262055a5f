"""Prometheus's rules, read from their files, and the series that a server exports."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.monitoring import PROMETHEUS

RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
_GROUPING = r"\b(?:by|without|on|ignoring|group_left|group_right)\b"


@cache
def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def rules(kind: str) -> list[dict[str, Any]]:
    """Return all rules that have the key `alert` or `record`."""
    groups = [group for path in RULES for group in read(path)["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def alerts() -> set[str]:
    return {rule["alert"] for rule in rules("alert")}


def latency_boundary() -> str:
    """Return the value of `le` of the latency objective."""
    (expression,) = (
        rule["expr"] for rule in rules("record") if re.search(r"stage_seconds_bucket\{.*le=", rule["expr"])
    )
    (boundary,) = re.findall(r'le="([^"]+)"', expression)
    return str(boundary)


def reads(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each series that an expression reads, with the labels of its selector."""
    plain = re.sub(r'"[^"]*"', "", expression)
    plain = re.sub(rf"{_GROUPING}\s*\([^)]*\)", " ", plain)
    for name, braces in re.findall(r"(?<![\w:.\[])([a-z_:][\w:]*)\b(?!\s*\()(?:\{([^}]*)\})?", plain):
        if name not in ("and", "or", "unless", "offset"):
            yield name, set(re.findall(r"\w+(?=\s*[=!])", braces))


def grouped(expression: str) -> set[str]:
    """Return the labels that an expression groups or matches by."""
    lists = re.findall(rf"{_GROUPING}\s*\(([^)]*)\)", expression)
    return {label for found in lists for label in re.findall(r"\w+", found)}


def series(scrape: str) -> dict[str, set[str]]:
    """Return the label names of each series by its name. A family without samples has no labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(scrape):
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found
