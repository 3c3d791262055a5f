"""The series of a panel: its queries, as Grafana makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docs.tools.dashboard.prometheus import ALL, Prometheus, Series, expand, legend, rate_interval

Json = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """The time that is shown.

    start, end: seconds since 1970. scrape: seconds between scrapes, the least useful step. events: marks of
    annotations, each with seconds since 1970 and the name of a colour.
    """

    start: float
    end: float
    scrape: float
    events: tuple[tuple[float, str], ...] = ()

    def step(self, points: int) -> float:
        """Return the seconds between points, in whole scrapes, for at most `points` points."""
        return max(1, -(-(self.end - self.start) // points // self.scrape)) * self.scrape


@dataclass(frozen=True)
class Answer:
    """A series with its name in the legend. ref: the refId of its query."""

    name: str
    ref: str
    series: Series


def query_panel(
    prometheus: Prometheus, panel: Json, window: Window, points: int, chosen: Mapping[str, str] = ALL
) -> list[Answer]:
    """Return the series of all queries of a panel, in the order of its legend.

    points: the most that the panel has room for. chosen: values of the page's variables.
    """
    step = window.step(min(points, panel.get("maxDataPoints", points)))
    values = {**chosen, "__rate_interval": f"{rate_interval(step, window.scrape):g}s"}
    answers = []
    for target in panel["targets"]:
        expr = expand(target["expr"], values)
        if target["instant"]:
            found = prometheus.now(expr, window.end)
        else:
            found = prometheus.over(expr, window.start, window.end, step)
        named = [Answer(legend(target["legendFormat"], one.labels), target["refId"], one) for one in found]
        answers += sorted(named, key=lambda answer: answer.name)
    return answers


def look(panel: Json, answer: Answer) -> Json:
    """Return the properties that a panel's overrides give a series. Later ones win: those by name."""
    looks: Json = {}
    for override in panel["fieldConfig"]["overrides"]:
        by_query = override["matcher"] == {"id": "byFrameRefID", "options": answer.ref}
        by_name = override["matcher"] == {"id": "byName", "options": answer.name}
        if by_query or by_name:
            looks |= {one["id"]: one["value"] for one in override["properties"]}
    return looks
