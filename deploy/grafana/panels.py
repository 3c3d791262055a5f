"""Panels as Grafana's JSON has them, without their place on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
Step = tuple[float | None, str]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GOOD, WARN, BAD, LIMIT = "green", "orange", "red", "dark-red"


@dataclass(frozen=True)
class Query:
    """An expression.

    legend: name of its series, with {{label}} filled in. colour: of its lines; by default the next of the palette.
    limit: drawn as a dashed line. right: the unit of an axis of its own on the right-hand side.
    """

    expr: str
    legend: str = ""
    colour: str = ""
    limit: bool = False
    right: str = ""


def stat(title: str, description: str, *queries: Query, unit: str, steps: Sequence[Step], decimals: int = 0) -> Json:
    """Return a tile with the current value of each query. steps: its background colour, see `_thresholds`."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }
    defaults = {
        "unit": unit,
        "decimals": decimals,
        "color": {"mode": "thresholds"},
        "thresholds": _thresholds(steps),
        "noValue": "no data",
    }
    return _panel("stat", title, description, queries, options, {"defaults": defaults, "overrides": []})


def graph(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    stack: bool = False,
    top: float | None = None,
    line_at: float | None = None,
    colours: Mapping[str, str] | None = None,
) -> Json:
    """Return lines over time on an axis from 0, or to `top`. line_at: a threshold line. colours: of series by name."""
    custom = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 60 if stack else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "off" if line_at is None else "dashed"},
        "axisPlacement": "auto",
        "axisSoftMin": 0,
    }
    steps: list[Step] = [(None, "transparent")] + ([(line_at, BAD)] if line_at is not None else [])
    defaults = {
        "unit": unit,
        "min": 0,
        "color": {"mode": "palette-classic"},
        "thresholds": _thresholds(steps),
        "custom": custom,
    }
    if top is not None:
        defaults["max"] = top
    overrides = [_override("byFrameRefID", _ref(n), look) for n, query in enumerate(queries) if (look := _look(query))]
    overrides += [_override("byName", name, {"color": _fixed(colour)}) for name, colour in (colours or {}).items()]
    options = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": ["lastNotNull"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, description, queries, options, {"defaults": defaults, "overrides": overrides})


def heatmap(title: str, description: str, expr: str, unit: str) -> Json:
    """Return the distribution of a histogram over time. `expr` is cumulative and keeps the label `le`."""
    options = {
        "calculate": False,
        "cellGap": 0,
        "cellValues": {"unit": "percentunit"},
        "color": {
            "mode": "scheme",
            "scheme": "Viridis",
            "scale": "exponential",
            "exponent": 0.5,
            "fill": "dark-orange",
            "reverse": False,
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-6},
        "legend": {"show": False},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False},
    }
    fields = {"defaults": {"custom": {"scaleDistribution": {"type": "linear"}}}, "overrides": []}
    panel = _panel("heatmap", title, description, [Query(expr, "{{le}}")], options, fields)
    return panel | {"maxDataPoints": 60}


def table(
    title: str, description: str, *queries: Query, columns: Sequence[str], looks: Mapping[str, Json] | None = None
) -> Json:
    """Return current values, with a row for each set of labels that the queries share.

    columns: labels and legends of queries, in order; other labels are left out. looks: properties of columns by name.
    """
    values = {_value_name(number): query.legend for number, query in enumerate(queries)}
    names = {legend: name for name, legend in values.items()}
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {names.get(column, column): number for number, column in enumerate(columns)},
        "renameByName": values,
    }
    options = {"cellHeight": "sm", "frameIndex": 0, "showHeader": True}
    defaults = {
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False},
        "thresholds": _thresholds([(None, GOOD)]),
    }
    overrides = [_override("byName", column, look) for column, look in (looks or {}).items()]
    panel = _panel("table", title, description, queries, options, {"defaults": defaults, "overrides": overrides})
    return panel | {"transformations": [{"id": "merge", "options": {}}, {"id": "organize", "options": organize}]}


def background(*steps: Step) -> Json:
    """Return the look of a table's column whose cells are coloured by these steps."""
    return {
        "thresholds": _thresholds(steps),
        "custom.cellOptions": {"type": "color-background", "mode": "basic"},
    }


def words(**texts: str) -> Json:
    """Map values to texts: `words(_0="no", _1="yes")`, because names of arguments cannot begin with a digit."""
    options = {value.removeprefix("_"): {"text": text, "index": n} for n, (value, text) in enumerate(texts.items())}
    return {"mappings": [{"type": "value", "options": options}]}


def _panel(
    kind: Literal["stat", "timeseries", "heatmap", "table"],
    title: str,
    description: str,
    queries: Sequence[Query],
    options: Json,
    fields: Json,
) -> Json:
    now = kind in ("stat", "table")
    targets = [
        {
            "refId": _ref(number),
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend,
            "format": kind if kind in ("heatmap", "table") else "time_series",
            "instant": now,
            "range": not now,
        }
        for number, query in enumerate(queries)
    ]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": targets,
        "options": options,
        "fieldConfig": fields,
    }


def _thresholds(steps: Sequence[Step]) -> Json:
    """Return colours by value. Each applies from its value on; the first has the value None."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}


def _look(query: Query) -> Json:
    look: Json = {}
    if query.colour or query.limit:
        look["color"] = _fixed(query.colour or LIMIT)
    if query.limit:
        look["custom.lineStyle"] = {"fill": "dash", "dash": [8, 6]}
        look["custom.stacking"] = {"mode": "none", "group": "A"}
        look["custom.fillOpacity"] = 0
    if query.right:
        look["unit"] = query.right
        look["custom.axisPlacement"] = "right"
    return look


def _override(matcher: str, name: str, look: Json) -> Json:
    properties = [{"id": key, "value": value} for key, value in look.items()]
    return {"matcher": {"id": matcher, "options": name}, "properties": properties}


def _fixed(colour: str) -> Json:
    return {"mode": "fixed", "fixedColor": colour}


def _ref(number: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number]


def _value_name(number: int) -> str:
    return f"Value #{_ref(number)}"
