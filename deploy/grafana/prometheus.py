"""A Prometheus as Grafana asks it: variables filled in, then instant and range queries over HTTP."""

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ALL = {"instance": ".*", "model": ".*", "version": ".*", "datasource": "prometheus"}


class QueryFailed(Exception):
    """Prometheus cannot be asked, or cannot answer; the message has the expression and what it said."""


@dataclass(frozen=True)
class Series:
    """labels: with the name as `__name__`, if there is one. points: (seconds since 1970, value), in order; NaNs are left out."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        return self.points[-1][1]


def rate_interval(step: float, scrape: float) -> float:
    """Seconds that $__rate_interval stands for: so long that a rate has four scrapes to go by, and no sample falls between steps."""
    return max(step + scrape, 4 * scrape)


def expand(text: str, values: Mapping[str, str]) -> str:
    """$name and ${name} replaced by their values. Raises KeyError where one has none."""
    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda found: values[found[1] or found[2]], text)


def legend(template: str, labels: Mapping[str, str]) -> str:
    """{{label}} filled in; without a template the labels as Prometheus writes them."""
    if not template:
        return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), template).strip()


class Prometheus:
    """One server, at `url`. All methods raise QueryFailed."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def now(self, expr: str, at: float | None = None) -> list[Series]:
        """Values at a time, by default now."""
        parameters = {"query": expr} | ({} if at is None else {"time": f"{at:.3f}"})
        found = self._get("query", parameters)
        if found["resultType"] == "scalar":
            return _finite([{"metric": {}, "values": [found["result"]]}])
        return _finite([{"metric": one["metric"], "values": [one["value"]]} for one in found["result"]])

    def over(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Values from start to end, each `step` seconds. Steps are at multiples of it, as Grafana aligns them."""
        aligned = {"start": math.floor(start / step) * step, "end": math.floor(end / step) * step, "step": step}
        numbers = {name: f"{value:.3f}" for name, value in aligned.items()}
        return _finite(self._get("query_range", {"query": expr} | numbers)["result"])

    def values_of(self, label: str, selector: str) -> list[str]:
        """Values that a label has in the series that a selector matches."""
        found: list[str] = self._get(f"label/{label}/values", {"match[]": selector})
        return found

    def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        asked = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(asked, timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise QueryFailed(f"{parameters}: {error.read().decode()}") from error
        except OSError as error:
            raise QueryFailed(f"{self.url}: {error}") from error


def _finite(result: list[dict[str, Any]]) -> list[Series]:
    series = []
    for one in result:
        points = tuple((float(at), float(text)) for at, text in one["values"])
        kept = tuple(point for point in points if math.isfinite(point[1]))
        if kept:
            series.append(Series(one["metric"], kept))
    return series
