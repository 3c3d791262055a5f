"""Queries to Prometheus as Grafana makes them: variables filled in, then instant and range queries over HTTP."""

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
    """Prometheus is not reachable or refuses a query. The message has the query and the error."""


@dataclass(frozen=True)
class Series:
    """labels: the name is `__name__`, if there is one. points: (seconds since 1970, value), in order, without NaN."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        return self.points[-1][1]


def rate_interval(step: float, scrape: float) -> float:
    """Return $__rate_interval in seconds: at least four scrapes, and no sample falls between two steps."""
    return max(step + scrape, 4 * scrape)


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace $name and ${name} by their values. Raises KeyError for a name without a value."""
    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda found: values[found[1] or found[2]], text)


def legend(template: str, labels: Mapping[str, str]) -> str:
    """Fill in {{label}}. Without a template, return the labels as Prometheus writes them."""
    if not template:
        return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), template).strip()


class Prometheus:
    """A Prometheus at `url`. All methods raise QueryFailed."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def now(self, expr: str, at: float | None = None) -> list[Series]:
        """Return values at a time, by default now."""
        parameters = {"query": expr} | ({} if at is None else {"time": f"{at:.3f}"})
        found = self._get("query", parameters)
        if found["resultType"] == "scalar":
            return _finite([{"metric": {}, "values": [found["result"]]}])
        return _finite([{"metric": one["metric"], "values": [one["value"]]} for one in found["result"]])

    def over(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """Return values from start to end, every `step` seconds, aligned to multiples of `step` as in Grafana."""
        aligned = {"start": math.floor(start / step) * step, "end": math.floor(end / step) * step, "step": step}
        numbers = {name: f"{value:.3f}" for name, value in aligned.items()}
        return _finite(self._get("query_range", {"query": expr} | numbers)["result"])

    def values_of(self, label: str, selector: str) -> list[str]:
        """Return the values of a label in the series of a selector."""
        found: list[str] = self._get(f"label/{label}/values", {"match[]": selector})
        return found

    def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
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
