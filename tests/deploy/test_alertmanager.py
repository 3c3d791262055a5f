"""Alertmanager's file: valid, as it is and with its comments taken off; who is told, and what is silent beside what."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.monitoring import ALERTMANAGER, eventually, running, tool


def uncommented() -> str:
    """The configuration with every block that an owner may want."""
    return re.sub(r"^    # (?=\w+_configs:|  )", "    ", ALERTMANAGER.read_text(), flags=re.MULTILINE)


def test_the_configuration_is_valid() -> None:
    assert "2 receivers" in tool("amtool", "check-config", ALERTMANAGER)


def test_so_is_every_block_that_is_commented_out(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(uncommented())
    assert len(re.findall(r"^    \w+_configs:$", path.read_text(), re.MULTILINE)) == 3
    assert "2 receivers" in tool("amtool", "check-config", path)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["severity=page", "alertname=VitscopeNoServer"], "pages"),
        (["severity=ticket", "alertname=VitscopeDrift", "model=vit"], "tickets"),
        (["alertname=SomethingElse"], "tickets"),
    ],
)
def test_who_is_told(labels: list[str], told: str) -> None:
    assert tool("amtool", "config", "routes", "test", "--config.file", ALERTMANAGER, *labels).splitlines()[-1] == told


def alert(name: str, severity: str, **labels: str) -> dict[str, dict[str, str]]:
    return {"labels": {"alertname": name, "severity": severity, **labels}}


PAGES = [
    alert("VitscopeModelNotReady", "page", model="vit"),
    alert("VitscopeAvailabilityBurnsFast", "page", objective="availability"),
]
SILENT = [
    alert("VitscopeVersionNotReady", "ticket", model="vit", version="1", instance="a:8501"),
    alert("VitscopeAvailabilityBurnsSlowly", "ticket", objective="availability"),
    alert("VitscopeEngineDegraded", "ticket", model="fashion", version="1", instance="b:8501"),
    alert("VitscopeQueueFilling", "ticket", instance="a:8501"),
]
HEARD = [
    *PAGES,
    alert("VitscopeServerDown", "ticket", instance="b:8501"),
    alert("VitscopeEngineDegraded", "ticket", model="fashion", version="1", instance="a:8501"),
    alert("VitscopeLatencyBurnsSlowly", "ticket", objective="latency", model="fashion"),
    alert("VitscopeModelLoadFailed", "ticket", instance="a:8501"),
    alert("VitscopeRefusing", "ticket"),
]
OTHERS = [alert("NodeDiskFull", "page", instance="a:9100")]


def test_greater_alerts_silence_lesser_ones(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> None:
    flags = [f"--config.file={ALERTMANAGER}", f"--storage.path={tmp_path}", "--cluster.listen-address="]
    with running("prometheus-alertmanager", unused_tcp_port_factory(), tmp_path, *flags) as alertmanager:

        def silenced() -> list[dict[str, str]]:
            found = alertmanager.get("/api/v2/alerts")
            return sorted((one["labels"] for one in found if one["status"]["state"] == "suppressed"), key=str)

        def labels(*groups: list[dict[str, dict[str, str]]]) -> list[dict[str, str]]:
            return sorted((one["labels"] for group in groups for one in group), key=str)

        alertmanager.post("/api/v2/alerts", [*SILENT, *HEARD, *OTHERS])
        eventually(lambda: silenced() == labels(SILENT), "others are silent than should be", 20)
        alertmanager.post("/api/v2/alerts", [alert("VitscopeNoServer", "page")])
        eventually(lambda: silenced() == labels(SILENT, HEARD), "not all are silent that speak of servers", 20)
