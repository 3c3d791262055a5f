"""Alertmanager's file: valid as it is and with its comments removed; routes and inhibition."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.monitoring import ALERTMANAGER, eventually, running, tool


def uncommented() -> str:
    """Return the configuration with every block uncommented."""
    return re.sub(r"^    # (?=\w+_configs:|  )", "    ", ALERTMANAGER.read_text(), flags=re.MULTILINE)


def test_the_configuration_is_valid() -> None:
    assert "2 receivers" in tool("amtool", "check-config", ALERTMANAGER)


def test_every_block_is_valid_when_uncommented(tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(uncommented())
    assert len(re.findall(r"^    \w+_configs:$", path.read_text(), re.MULTILINE)) == 3
    assert "2 receivers" in tool("amtool", "check-config", path)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=page", "alertname=VitscopeNoServer"], "pages"),
        (["severity=ticket", "alertname=VitscopeDrift", "model=vit"], "tickets"),
        (["alertname=SomethingElse"], "tickets"),
    ],
)
def test_routes(labels: list[str], receiver: str) -> None:
    found = tool("amtool", "config", "routes", "test", "--config.file", ALERTMANAGER, *labels).splitlines()[-1]
    assert found == receiver


def alert(name: str, severity: str, **labels: str) -> dict[str, dict[str, str]]:
    return {"labels": {"alertname": name, "severity": severity, **labels}}


PAGES = [
    alert("VitscopeModelNotReady", "page", model="vit"),
    alert("VitscopeAvailabilityBurnsFast", "page", objective="availability"),
]
INHIBITED = [
    alert("VitscopeVersionNotReady", "ticket", model="vit", version="1", instance="a:8501"),
    alert("VitscopeAvailabilityBurnsSlowly", "ticket", objective="availability"),
    alert("VitscopeEngineDegraded", "ticket", model="fashion", version="1", instance="b:8501"),
    alert("VitscopeQueueFilling", "ticket", instance="a:8501"),
]
NOTIFIED = [
    *PAGES,
    alert("VitscopeServerDown", "ticket", instance="b:8501"),
    alert("VitscopeEngineDegraded", "ticket", model="fashion", version="1", instance="a:8501"),
    alert("VitscopeLatencyBurnsSlowly", "ticket", objective="latency", model="fashion"),
    alert("VitscopeModelLoadFailed", "ticket", instance="a:8501"),
    alert("VitscopeRefusing", "ticket"),
]
OTHERS = [alert("NodeDiskFull", "page", instance="a:9100")]


def test_severe_alerts_inhibit_others(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> None:
    flags = [f"--config.file={ALERTMANAGER}", f"--storage.path={tmp_path}", "--cluster.listen-address="]
    with running("prometheus-alertmanager", unused_tcp_port_factory(), tmp_path, *flags) as alertmanager:

        def suppressed() -> list[dict[str, str]]:
            found = alertmanager.get("/api/v2/alerts")
            return sorted((one["labels"] for one in found if one["status"]["state"] == "suppressed"), key=str)

        def labels(*groups: list[dict[str, dict[str, str]]]) -> list[dict[str, str]]:
            return sorted((one["labels"] for group in groups for one in group), key=str)

        alertmanager.post("/api/v2/alerts", [*INHIBITED, *NOTIFIED, *OTHERS])
        eventually(lambda: suppressed() == labels(INHIBITED), "the wrong alerts are suppressed", 20)
        alertmanager.post("/api/v2/alerts", [alert("VitscopeNoServer", "page")])
        eventually(
            lambda: suppressed() == labels(INHIBITED, NOTIFIED), "not all alerts about servers are suppressed", 20
        )
