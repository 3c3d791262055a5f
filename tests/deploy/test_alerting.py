"""An alert from end to end: an overloaded real server, Prometheus, Alertmanager and a receiver.

The files are those that compose mounts; only addresses and intervals are replaced.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import yaml

from tests.deploy.monitoring import (
    ALERTMANAGER,
    PROMETHEUS,
    RUNBOOKS,
    Api,
    Receiver,
    differences,
    eventually,
    quick_alertmanager,
    quick_prometheus,
    receiver,
    running,
)
from tests.deploy.rules import grouped, latency_boundary, reads, rules, series
from tests.e2e.harness import RunningServer, numbered
from vitscope.client.request import classify_request

_numbers = count()


def send(server: RunningServer, photo: bytes, images: int) -> set[str]:
    """Send a number of images at once, no two equal. Returns the status codes."""
    requests = [classify_request(numbered(photo, next(_numbers)), model="fashion") for _ in range(images)]
    calls = [server.stub.Classify.future(request, timeout=30) for request in requests]
    return {call.code().name for call in calls}


@pytest.fixture(scope="module")
def server(models: Path, photo: bytes) -> Iterator[RunningServer]:
    """A server with two places for images, one for each caller."""
    with RunningServer(models, "--max-in-flight", "2") as server:
        for _ in range(3):
            assert send(server, photo, 1) == {"OK"}
        yield server


# What the server exports


@pytest.fixture(scope="module")
def scrape(server: RunningServer, photo: bytes) -> str:
    """The metrics of a server that has explained an answer."""
    server.stub.Classify(classify_request(photo, model="fashion", method="evidence"), timeout=60)
    return server.get("/metrics")


def test_what_an_expression_reads() -> None:
    expression = (
        'sum by (a, le) (rate(x_total{code=~"OK|b{c}", d!=""}[5m])) > on (e) group_left () 0.5 * a:y:rate5m offset 1h'
    )
    assert list(reads(expression)) == [("x_total", {"code", "d"}), ("a:y:rate5m", set())]
    assert grouped(expression) == {"a", "le", "e"}


def test_rules_use_only_what_the_server_exports(scrape: str) -> None:
    exported = series(scrape) | {"up": set(), "prometheus_rule_evaluation_failures_total": {"rule_group"}}
    recorded = {rule["record"] for rule in rules("record")}
    given = {label for rule in rules("record") for label in rule.get("labels", ())}
    known = {"instance", "job"} | given | set().union(*exported.values())
    # Only engines of a GPU have the gate's metrics: only their names can be checked here.
    assert {name for name in exported if not exported[name]} >= {"vitscope_gate_agreement_ratio"}
    for rule in [*rules("alert"), *rules("record")]:
        assert grouped(rule["expr"]) <= known, rule
        for name, labels in reads(rule["expr"]):
            assert name in exported.keys() | recorded, f"{name} in {rule}"
            assert labels <= (known if name in recorded else exported[name] | {"instance", "job"}), rule


def test_the_latency_objective_is_a_boundary_of_the_histogram(scrape: str) -> None:
    totals = [line for line in scrape.splitlines() if 'stage="total"' in line]
    boundaries = {found[1] for line in totals if (found := re.search(r'le="([^"]+)"', line))}
    assert latency_boundary() in boundaries


# From the server to the receiver


def test_only_addresses_and_intervals_are_replaced() -> None:
    prometheus = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    replaced = differences(prometheus, quick_prometheus({"vitscope": "there:1", "alertmanager": "there:2"}))
    addresses = r".*\.(dns_sd|static)_configs(\.0\.targets.*)?"
    assert len(replaced) > 2
    assert {path for path in replaced if not re.fullmatch(addresses, path)} == {
        "global.scrape_interval",
        "global.evaluation_interval",
    }

    alertmanager = yaml.safe_load(ALERTMANAGER.read_text())
    replaced = differences(alertmanager, quick_alertmanager("http://there"))
    assert replaced == {"route.group_wait", "route.routes.0.group_wait"} | {
        f"receivers.{number}.webhook_configs" for number in (0, 1)
    }


@dataclass
class Watched:
    """A server, its Prometheus, and the receiver of notifications."""

    server: RunningServer
    prometheus: Api
    receiver: Receiver

    def alert(self, name: str) -> str | None:
        """Return the state of an alert in Prometheus: pending, firing, or None."""
        alerts = self.prometheus.get("/api/v1/alerts")["data"]["alerts"]
        return next((one["state"] for one in alerts if one["labels"]["alertname"] == name), None)


@pytest.fixture(scope="module")
def watched(
    server: RunningServer, tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    ports = {name: unused_tcp_port_factory() for name in ("prometheus", "alertmanager")}
    addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    addresses["vitscope"] = server.http.removeprefix("http://")
    (folder / "rules").symlink_to(PROMETHEUS / "rules")
    with ExitStack() as stack:
        notified = stack.enter_context(receiver())
        for name, config in (
            ("prometheus", quick_prometheus(addresses)),
            ("alertmanager", quick_alertmanager(notified.url)),
        ):
            (folder / f"{name}.yml").write_text(yaml.safe_dump(config))
        flags = [f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}", "--cluster.listen-address="]
        stack.enter_context(running("prometheus-alertmanager", ports["alertmanager"], folder, *flags))
        flags = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        yield Watched(server, stack.enter_context(running("prometheus", ports["prometheus"], folder, *flags)), notified)


def test_an_alert_about_refusals_reaches_the_receiver(watched: Watched, photo: bytes) -> None:
    prometheus, server = watched.prometheus, watched.server

    def answered() -> bool:
        assert send(server, photo, 1) == {"OK"}
        return bool(prometheus.query('version_code:vitscope_requests:rate5m{code="OK"} > 0'))

    def refused() -> bool:
        assert send(server, photo, 40) == {"OK", "RESOURCE_EXHAUSTED"}
        return watched.alert("VitscopeRefusing") == "firing"

    eventually(answered, "no image was counted")
    assert watched.alert("VitscopeRefusing") is None
    eventually(refused, "refusals did not fire the alert")

    alert = watched.receiver.alert("VitscopeRefusing")
    assert alert["receiver"] == "tickets"
    assert alert["labels"]["severity"] == "ticket"
    assert alert["annotations"]["runbook"] == "docs/operate.md#vitscoperefusing"
    (ratio,) = prometheus.query("vitscope:refusals:ratio_rate5m")
    assert 0.01 < float(ratio["value"][1]) < 1


def test_every_rule_can_be_computed_from_what_a_server_exports(watched: Watched) -> None:
    """Prometheus refuses, among others, many-to-many matches."""
    for rule in [*rules("alert"), *rules("record")]:
        watched.prometheus.query(rule["expr"])


def test_the_queries_of_the_runbook_are_valid_and_read_existing_series(watched: Watched, scrape: str) -> None:
    known = series(scrape).keys() | {rule["record"] for rule in rules("record")} | {"up"}
    texts = re.findall(r"`([^`\n]+)`|^    (.+)$", RUNBOOKS.read_text(), re.MULTILINE)
    queries = [text for pair in texts for text in pair if re.search(r"vitscope_|process_|grpc_server_", text)]
    queries = [query for query in queries if not query.startswith("curl ")]
    assert len(queries) > 20
    for query in queries:
        watched.prometheus.query(query)
        assert {name for name, _ in reads(query)} <= known, query


def test_a_server_that_stops_sets_alerts_pending(watched: Watched) -> None:
    """They would fire after a minute."""
    eventually(lambda: watched.alert("VitscopeNoServer") is None, "the alert is active while a server runs")
    watched.server.terminate()
    eventually(lambda: watched.alert("VitscopeNoServer") == "pending", "no alert about the last server")
    eventually(lambda: watched.alert("VitscopeServerDown") == "pending", "no alert about the server")
