"""The dashboard's file: up to date, valid for Grafana, laid out and explained, with the thresholds of the rules."""

import copy
import json
import re
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path

import fastjsonschema
import pytest
import yaml

from deploy.grafana import page
from tests.deploy.dashboard import PANELS, Json, kept, panels
from tests.e2e.harness import ROOT

SCHEMA = Path(__file__).with_name("grafana") / "schema.json"
GRAFANA = ROOT / "deploy/grafana"
RULES = ROOT / "deploy/prometheus/rules"


def test_the_file_is_what_the_rows_make() -> None:
    assert page.FILE.read_text() == page.text(), "run `make dashboards`"


# Grafana's schema


@cache
def checked() -> Callable[[Json], Json]:
    check: Callable[[Json], Json] = fastjsonschema.compile(json.loads(SCHEMA.read_text()))
    return check


def validate(dashboard: Json) -> None:
    """Check a dashboard against the schema, with the panels of collapsed rows. Raises JsonSchemaException."""
    headings = [{**panel, "panels": []} for panel in dashboard["panels"] if panel["type"] == "row"]
    checked()({**dashboard, "panels": [*headings, *panels(dashboard)]})


def test_grafana_accepts_it() -> None:
    validate(kept())


def of(kind: str, dashboard: Json) -> Json:
    return next(panel for panel in panels(dashboard) if panel["type"] == kind)


MUTANTS: dict[str, Callable[[Json], object]] = {
    "an unknown field of the page": lambda page: page.update(titel="x"),
    "no title": lambda page: page.pop("title"),
    "a panel type that is none": lambda page: of("stat", page).update(type="stats"),
    "another panel's option": lambda page: of("stat", page)["options"].update(cellHeight="sm"),
    "a misspelt option": lambda page: of("timeseries", page)["options"]["legend"].update(showlegend=True),
    "a wrong enum value": lambda page: of("stat", page)["options"].update(colorMode="backgroud"),
    "an option in the field's place": lambda page: of("stat", page)["fieldConfig"]["defaults"].update(textMode="auto"),
    "a field in the option's place": lambda page: of("timeseries", page)["options"].update(unit="s"),
    "a stacking mode that is none": lambda page: custom(page)["stacking"].update(mode="on"),
    "a line style that is none": lambda page: custom(page).update(drawStyle="lines"),
    "custom fields where there are none": lambda page: of("stat", page)["fieldConfig"]["defaults"].update(
        custom={"drawStyle": "line"}
    ),
    "an override of a property that is none": lambda page: override(page).update(id="colour"),
    "an override with a value of another type": lambda page: override(page).update(id="decimals", value="1"),
    "a calculation that is none": lambda page: of("stat", page)["options"]["reduceOptions"].update(calcs=["latest"]),
    "a threshold that is text": lambda page: of("stat", page)["fieldConfig"]["defaults"]["thresholds"]["steps"][
        1
    ].update(value="1"),
    "a place that is text": lambda page: of("heatmap", page)["gridPos"].update(w="6"),
    "a query without an expression": lambda page: of("heatmap", page)["targets"][0].pop("expr"),
    "a query's format that is none": lambda page: of("heatmap", page)["targets"][0].update(format="histogram"),
    "a heat map's colour mode that is none": lambda page: of("heatmap", page)["options"]["color"].update(mode="hue"),
    "a transformation that is none": lambda page: of("table", page)["transformations"][0].update(id="merged"),
    "a variable's type that is none": lambda page: page["templating"]["list"][1].update(type="label"),
    "an annotation's misspelt field": lambda page: page["annotations"]["list"][0].update(textformat="x"),
    "a data source without a uid": lambda page: of("table", page)["datasource"].pop("uid"),
}


def custom(dashboard: Json) -> Json:
    found: Json = of("timeseries", dashboard)["fieldConfig"]["defaults"]["custom"]
    return found


def override(dashboard: Json) -> Json:
    found: Json = of("timeseries", dashboard)["fieldConfig"]["overrides"][0]["properties"][0]
    return found


@pytest.mark.parametrize("mutate", MUTANTS.values(), ids=MUTANTS)
def test_grafana_refuses(mutate: Callable[[Json], object]) -> None:
    dashboard = copy.deepcopy(kept())
    mutate(dashboard)
    with pytest.raises(fastjsonschema.JsonSchemaException):
        validate(dashboard)


# The page


def test_panels_fill_the_grid_without_overlap() -> None:
    covered: dict[tuple[int, int], str] = {}
    for panel in kept()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= page.COLUMNS
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert covered.setdefault((x, y), panel["title"]) == panel["title"]
    assert len(covered) == page.COLUMNS * (1 + max(y for _, y in covered)), "there is a hole"


def test_every_panel_has_an_id_a_name_and_an_explanation_of_its_own() -> None:
    headings = [panel for panel in kept()["panels"] if panel["type"] == "row"]
    every = [*headings, *panels(kept())]
    assert len({panel["id"] for panel in every}) == len({panel["title"] for panel in every}) == len(every)
    for one, other in combinations(PANELS.values(), 2):
        assert one["description"] != other["description"]
    for panel in PANELS.values():
        assert len(panel["description"]) > 25 and panel["description"].endswith("."), panel["title"]


def test_variables_are_those_that_the_queries_use() -> None:
    named = {variable["name"] for variable in kept()["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", page.FILE.read_text())) == named | {"__rate_interval", "__all"}


def test_the_links_lead_to_pages_of_the_documentation() -> None:
    """Grafana serves the files that are mounted in its folder `public`."""
    pages = [link["url"].removeprefix("/public/vitscope/") for link in kept()["links"]]
    assert pages and all((ROOT / "docs" / name).is_file() for name in pages)


# Units by the suffix of a metric's name, by the Prometheus conventions.
UNITS = {"seconds": "s", "bytes": "bytes", "ratio": "percentunit", "watts": "watt"}


@pytest.mark.parametrize("title", PANELS)
def test_units_are_those_of_the_metrics(title: str) -> None:
    panel = PANELS[title]
    if panel["type"] == "table":
        return
    fields = panel["fieldConfig"]
    unit = panel["options"]["yAxis"]["unit"] if panel["type"] == "heatmap" else fields["defaults"]["unit"]
    for target in panel["targets"]:
        looks = [one for one in fields["overrides"] if one["matcher"]["options"] == target["refId"]]
        own = {one["id"]: one["value"] for look in looks for one in look["properties"]}
        assert own.get("unit", unit) == expected(target["expr"], unit), target["expr"]


def expected(expr: str, default: str) -> str:
    """Return the unit of an expression; `default` where the names of its metrics have none."""
    metrics = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\b(?:vitscope|process)\w+", expr)}
    metrics -= {"vitscope_build_info"}
    ratio = " / " in expr
    named = [UNITS[suffix] for name in metrics for suffix in UNITS if name.endswith(f"_{suffix}")]
    if "_bucket" in expr and ratio:  # the axis of a heat map has the unit of the observations
        return named[0] if named else default
    if ratio and len(metrics) == 1 and "_sum" in expr:
        return named[0] if named else "none"
    if ratio or ":distance" in expr or ":ratio" in expr:
        return "percentunit"
    if "rate(" in expr and "quantile" not in expr:
        return "percentunit" if "seconds_total" in expr else "reqps"
    return named[0] if named else default


# Beside the dashboard


def rules(name: str) -> list[Json]:
    groups = yaml.safe_load((RULES / f"{name}.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def bar(title: str) -> float:
    (_, step) = PANELS[title]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return float(step["value"])


def test_bars_are_those_of_the_rules() -> None:
    texts = " ".join(rule["expr"] for rule in rules("objectives"))
    assert re.findall(r'le="([\d.]+)"', texts) == [str(bar("Latency"))]
    allowed = {
        rule["labels"]["objective"]: float(re.sub(r"[^\d.]", "", rule["expr"]))
        for rule in rules("objectives")
        if rule["record"] == "vitscope:objective_allowed:ratio"
    }
    assert bar("Share not answered") == allowed["availability"]
    for title, objective in (("Answered, last hour", "availability"), ("In time, last hour", "latency")):
        good = PANELS[title]["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]
        assert good == {"value": pytest.approx(1 - allowed[objective]), "color": "green"}
    (counted,) = (rule["expr"] for rule in rules("objectives") if "vitscope_requests_total{code=~" in rule["expr"])
    faults = set(re.search(r'"(.*)"', counted)[1].split("|")) - {"OK"}
    assert set(re.findall(r"[A-Z_]{5,}", PANELS["Share not answered"]["targets"][0]["expr"])) == faults
    (drift,) = (rule["expr"] for rule in rules("alerts") if rule.get("alert") == "VitscopeDrift")
    assert f"distance > {bar('Drift'):g}" in drift


def test_grafana_is_provisioned_with_both_files() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    variable = kept()["templating"]["list"][0]
    assert (source["type"], source["uid"]) == (variable["query"], variable["current"]["value"])
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/vitscope.yml").read_text())["providers"]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert source["url"] == "http://prometheus:9090" and "prometheus" in services
