"""What a panel shows: its queries, asked as Grafana asks them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.grafana.prometheus import ALL, Prometheus, Series, expand, legend, rate_interval

Json = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """start, end: seconds since 1970. scrape: seconds between scrapes, the least step that makes sense. events: what annotations
    mark: seconds since 1970, and the name of a colour."""

    start: float
    end: float
    scrape: float
    events: tuple[tuple[float, str], ...] = ()

    def step(self, points: int) -> float:
        """Seconds between points, if there are to be no more of them; in whole scrapes."""
        return max(1, -(-(self.end - self.start) // points // self.scrape)) * self.scrape


@dataclass(frozen=True)
class Answer:
    """A series, what it is called, and which query of the panel it comes from."""

    name: str
    ref: str
    series: Series


def ask(
    prometheus: Prometheus, panel: Json, window: Window, points: int, chosen: Mapping[str, str] = ALL
) -> list[Answer]:
    """The series of all queries of a panel, in the order of its legend; points: as many as the panel has room for; chosen: values of
    the page's variables."""
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
    """What a panel's overrides say of a series: of its query first, then of its name."""
    looks: Json = {}
    for override in panel["fieldConfig"]["overrides"]:
        by_query = override["matcher"] == {"id": "byFrameRefID", "options": answer.ref}
        by_name = override["matcher"] == {"id": "byName", "options": answer.name}
        if by_query or by_name:
            looks |= {one["id"]: one["value"] for one in override["properties"]}
    return looks
