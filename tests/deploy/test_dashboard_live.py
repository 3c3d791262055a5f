"""Every query of the dashboard, sent to a real Prometheus while a real server is under load; and the drawn page."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from deploy.grafana.promql import having, mean
from docs.tools.dashboard import tiles
from docs.tools.dashboard.answers import Answer, Window, query_panel
from docs.tools.dashboard.card import Card
from docs.tools.dashboard.draw import HEADER, main
from docs.tools.dashboard.prometheus import ALL, Prometheus, QueryFailed, expand
from tests.deploy.dashboard import PANELS, kept
from tests.deploy.monitoring import eventually
from tests.deploy.observed import SHORT, load, watched
from tests.e2e.harness import RunningServer

MODELS = ("fashion", "registers")
POINTS = 20
GPU = [panel["title"] for panel in kept()["panels"][-1]["panels"]]
OTHERS = [title for title in PANELS if title not in GPU]
# Possible values by unit. A rate over a few seconds of scrapes is not exact.
RANGES = {"percentunit": (0, 1.2), "s": (0, 100), "reqps": (0, 1e5), "none": (0, 1e4), "bytes": (0, 1e11)}


@pytest.fixture(scope="module")
def prometheus(
    models: Path, photo: bytes, tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[Prometheus]:
    """A Prometheus that has data for every panel; the load goes on."""
    folder = tmp_path_factory.mktemp("prometheus")
    flags = ["--engine", "onnxruntime", "--max-in-flight", "16", "--cache-mib", "4"]
    flags += ["--engine-cache", str(folder / "engines")]
    with (
        RunningServer(models, *flags) as server,
        watched(server, folder, unused_tcp_port_factory(), SHORT) as prometheus,
        load(server, photo, MODELS),
    ):
        waiting = [(title, target["refId"]) for title in OTHERS for target in PANELS[title]["targets"]]
        end = time.monotonic() + 90
        while waiting:
            assert time.monotonic() < end, f"no data: {waiting}"
            time.sleep(0.2)
            waiting = [(title, ref) for title, ref in waiting if ref not in refs(prometheus, title)]
        yield prometheus


def window() -> Window:
    now = time.time()
    return Window(now - POINTS, now, 1)


def answers(prometheus: Prometheus, title: str, **chosen: str) -> list[Answer]:
    return query_panel(prometheus, PANELS[title], window(), POINTS, {**ALL, **chosen})


def refs(prometheus: Prometheus, title: str) -> set[str]:
    return {answer.ref for answer in answers(prometheus, title)}


@pytest.mark.parametrize("title", OTHERS)
def test_values_fit_their_unit_and_labels_their_legend(prometheus: Prometheus, title: str) -> None:
    panel = PANELS[title]
    units = {one["matcher"]["options"]: unit(one["properties"]) for one in panel["fieldConfig"]["overrides"]}
    for answer in answers(prometheus, title):
        target = next(target for target in panel["targets"] if target["refId"] == answer.ref)
        assert all(answer.series.labels[label] for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        of_panel = "percentunit" if panel["type"] == "heatmap" else panel["fieldConfig"]["defaults"].get("unit", "none")
        low, high = RANGES[units.get(answer.ref) or of_panel]
        assert all(low - 1e-9 <= value <= high for _, value in answer.series.points), answer


def unit(properties: list[dict[str, Any]]) -> str:
    return next((one["value"] for one in properties if one["id"] == "unit"), "")


@pytest.mark.parametrize("title", GPU)
def test_without_a_gpu_its_panels_are_empty(prometheus: Prometheus, title: str) -> None:
    assert answers(prometheus, title) == []


def test_a_wrong_query_fails_with_the_error_of_prometheus(prometheus: Prometheus) -> None:
    with pytest.raises(QueryFailed, match="parse error"):
        prometheus.now("sum(")


def test_the_load_can_be_seen(prometheus: Prometheus) -> None:
    names = {answer.name for answer in answers(prometheus, "Images by status")}
    assert names >= {"OK", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "NOT_FOUND"}
    assert max(one.series.last for one in answers(prometheus, "Where the time goes")) > 0
    stages = [answer.name for answer in answers(prometheus, "Where the time goes")]
    assert stages == ["receive", "decode", "queue", "batch", "infer", "maps"]


def test_the_stages_add_up_to_the_whole(prometheus: Prometheus) -> None:
    """Of the same scrapes."""
    total, stages = 0.0, 0.0

    def computed() -> bool:
        nonlocal total, stages
        at, values = time.time() - 1, {**ALL, "__rate_interval": "8s"}
        parts = [prometheus.now(expand(one["expr"], values), at) for one in PANELS["Where the time goes"]["targets"]]
        whole = prometheus.now(expand(mean("vitscope_stage_seconds", selector=having(stage="total")), values), at)
        if whole and all(parts):
            total, stages = whole[0].last, sum(part[0].last for part in parts)
        return total > 0

    eventually(computed, "no images within 8 s")
    assert stages == pytest.approx(total, rel=0.2)


def test_the_table_has_a_row_for_each_version_and_no_empty_cell(prometheus: Prometheus) -> None:
    panel = PANELS["What serves"]

    def full() -> list[dict[str, str | float]]:
        columns, rows = tiles.merged(panel, answers(prometheus, panel["title"]))
        return rows if all(row.get(column, "") != "" for row in rows for column in columns) else []

    rows = eventually(full, "a cell of the table stays empty")
    assert sorted(str(row["model"]) for row in rows) == sorted(MODELS)


def test_the_variables_offer_every_value_and_select(prometheus: Prometheus) -> None:
    offered = {}
    for variable in kept()["templating"]["list"][1:]:
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        offered[variable["name"]] = prometheus.values_of(label, expand(selector, ALL))
    assert len(offered["instance"]) == 1
    assert (offered["model"], offered["version"]) == (sorted(MODELS), ["1"])
    chosen = answers(prometheus, "Engines in use", model="fashion", version="1", instance=offered["instance"][0])
    assert [answer.name for answer in chosen] == ["together", "fashion 1"]
    assert answers(prometheus, "Engines in use", model="fashion", version="2") == []


def test_annotations_mark_the_start(prometheus: Prometheus) -> None:
    now = time.time()
    found = {
        one["name"]: prometheus.over(expand(one["expr"], ALL), now - 60, now, 1)
        for one in kept()["annotations"]["list"]
    }
    assert found["Server started"] and len(found["Model took over"]) == len(MODELS)
    assert found["Load failed"] == []


def test_the_page_is_drawn(prometheus: Prometheus, tmp_path: Path) -> None:
    out = tmp_path / "page.png"

    def drawn() -> bool:
        """Return whether every panel has lines, cells or a background in colour; text alone has none."""
        assert main(["--prometheus", prometheus.url, "--out", str(out), "--minutes", "0.3", "--scrape", "1"]) == 0
        with Image.open(out) as picture:
            vivid = np.ptp(np.asarray(picture.convert("RGB"), np.int16), axis=2) > 60
        for panel in kept()["panels"]:
            card = Card.at(Figure(), panel["gridPos"], HEADER)
            left, top = int(card.left), int(card.top)
            inside = vivid[top : top + int(card.height), left : left + int(card.width)]
            if panel["type"] != "row" and inside.sum() < 40:
                return False
        return True

    eventually(drawn, "a panel stays empty")


def test_a_prometheus_that_does_not_answer_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--prometheus", "http://127.0.0.1:9", "--out", str(tmp_path / "page.png")]) == 1
    assert "http://127.0.0.1:9: " in capsys.readouterr().err
