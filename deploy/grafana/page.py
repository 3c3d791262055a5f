"""The whole page: rows, variables, annotations, links. `python -m deploy.grafana.page` writes it."""

import json
from pathlib import Path

from deploy.grafana.panels import BAD, SOURCE, Json
from deploy.grafana.promql import SERVER, VERSION
from deploy.grafana.rows import Row
from deploy.grafana.rows.fast import FAST
from deploy.grafana.rows.full import FULL, WORK
from deploy.grafana.rows.gpu import GPU
from deploy.grafana.rows.healthy import HEALTHY
from deploy.grafana.rows.itself import ITSELF

FILE = Path(__file__).with_name("dashboards") / "vitscope.json"
COLUMNS = 24
ROWS = (HEALTHY, FAST, FULL, WORK, ITSELF, GPU)


def dashboard() -> Json:
    """Return the page, for Grafana 11 or newer."""
    return {
        "uid": "vitscope",
        "title": "vitscope",
        "description": "Is it healthy, is it fast, is it full, is the model still itself?",
        "tags": ["vitscope"],
        "schemaVersion": 41,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [_link("Runbook", "/public/vitscope/operate.md"), _link("Metrics", "/public/vitscope/metrics.md")],
        "templating": {"list": _variables()},
        "annotations": {"list": _annotations()},
        "panels": _placed(ROWS),
    }


def write() -> None:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text())


def text() -> str:
    """Return the text of the file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def _placed(rows: tuple[Row, ...]) -> list[Json]:
    """Place headings and panels on the grid. The heading of a collapsed row contains its panels."""
    placed: list[Json] = []
    number = top = 0
    for row in rows:
        number += 1
        heading = {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": row.collapsed,
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        placed.append(heading)
        panels: list[Json] = []
        below = top + 1
        for line in row.lines:
            left = 0
            for width, panel in line.panels:
                number += 1
                place = {"x": left, "y": below, "w": width, "h": line.height}
                panels.append({"id": number, "gridPos": place, **panel})
                left += width
            if left != COLUMNS:
                raise ValueError(f"{row.title}: the panels of a line are {left} wide; accepted: {COLUMNS}")
            below += line.height
        if row.collapsed:
            heading["panels"] = panels
            top += 1
        else:
            placed += panels
            top = below
    return placed


def _variables() -> list[Json]:
    return [
        {
            "name": "datasource",
            "type": "datasource",
            "label": "Prometheus",
            "query": "prometheus",
            "current": {"text": "Prometheus", "value": "prometheus"},
        },
        _variable("instance", "Server", "label_values(vitscope_build_info, instance)"),
        _variable("model", "Model", f"label_values(vitscope_model_ready{{{SERVER}}}, model)"),
        _variable("version", "Version", f'label_values(vitscope_model_ready{{{SERVER},model=~"$model"}}, version)'),
    ]


def _variable(name: str, label: str, query: str) -> Json:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 3,
        "multi": True,
        "includeAll": True,
        # Also series without a value: requests for a model that is not served have an empty label.
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _annotations() -> list[Json]:
    """Return the events that are marked in all graphs. Each query has a value for a minute after its event."""
    ready = f"vitscope_model_ready{{{VERSION}}}"
    firing = 'ALERTS{alertstate="firing"}'
    return [
        _annotation(
            "Server started",
            f"time() - (process_start_time_seconds{{{SERVER}}} and on (instance) vitscope_build_info) < 60",
            "server started",
            "{{instance}}",
            "blue",
        ),
        _annotation(
            "Model took over",
            # Five minutes, so that a failed scrape does not look like a new start.
            f"{ready} == 1 unless max_over_time({ready}[5m] offset 1m) == 1",
            "{{model}} {{version}} serves",
            "{{instance}}",
            "green",
        ),
        _annotation(
            "Load failed",
            f'increase(vitscope_model_loads_total{{result="failed",{SERVER}}}[1m]) > 0',
            "a model could not be loaded",
            "{{instance}}",
            BAD,
        ),
        _annotation(
            "Alert",
            f"{firing} unless {firing} offset 1m",
            "{{alertname}}",
            "{{model}} {{version}} {{instance}}",
            "orange",
        ),
    ]


def _annotation(name: str, expr: str, title: str, text: str, colour: str) -> Json:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": colour,
        "expr": expr,
        "step": "15s",
        "titleFormat": title,
        "textFormat": text,
    }


def _link(title: str, url: str) -> Json:
    return {
        "title": title,
        "type": "link",
        "url": url,
        "icon": "doc",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
    }


if __name__ == "__main__":
    write()
