"""Prometheus's files are valid, and every alert is tested and explained."""

import re
from pathlib import Path

import pytest

from tests.deploy.monitoring import PROMETHEUS, RUNBOOKS, tool
from tests.deploy.rules import RULES, alerts, latency_boundary, read, rules
from tests.e2e.harness import ROOT
from vitscope.server.settings import Settings

CONFIG = PROMETHEUS / "prometheus.yml"
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def test_configuration_and_rules_are_valid() -> None:
    """promtool also checks the rules that the configuration names."""
    assert tool("promtool", "check", "config", CONFIG).count("SUCCESS") == 2 + len(RULES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_compute_and_alerts_fire_as_they_should(path: Path) -> None:
    assert "SUCCESS" in tool("promtool", "test", "rules", path)


def test_every_alert_has_a_test_that_fires_it() -> None:
    cases = [case for path in TESTS for test in read(path)["tests"] for case in test.get("alert_rule_test", ())]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts()


def test_every_group_is_evaluated_in_order_in_tests() -> None:
    groups = {group["name"] for path in RULES for group in read(path)["groups"]}
    assert all(set(read(path)["group_eval_order"]) == groups for path in TESTS)


def test_every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() -> None:
    sections = re.findall(r"^### (Vitscope\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(alerts())
    for rule in rules("alert"):
        anchor = rule["alert"].lower()
        assert rule["annotations"]["runbook"] == f"docs/operate.md#{anchor}"
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_the_objectives_in_the_runbook_are_those_of_the_rules() -> None:
    allowed = {
        rule["labels"]["objective"]: float(rule["expr"].removeprefix("vector(").removesuffix(")"))
        for rule in rules("record")
        if rule["record"] == "vitscope:objective_allowed:ratio"
    }
    text = RUNBOOKS.read_text()
    assert f"{1 - allowed['availability']:.1%}".replace("%", " %") in text
    assert f"{1 - allowed['latency']:.0%}".replace("%", " %") in text
    assert f"{latency_boundary()} s" in text


def test_targets_are_services_of_the_compose_file() -> None:
    config, services = read(CONFIG), read(ROOT / "docker-compose.yml")["services"]
    named = {
        name for job in config["scrape_configs"] for found in job.get("dns_sd_configs", ()) for name in found["names"]
    }
    assert named - {"envoy"} <= services.keys()
    (server,) = (job["dns_sd_configs"][0] for job in config["scrape_configs"] if job["job_name"] == "vitscope")
    assert server["port"] == Settings.model_fields["http_port"].default
