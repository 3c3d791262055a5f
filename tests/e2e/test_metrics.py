"""Metrics of a running server, held against docs/metrics.md and against callers who try to make labels of their own."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import grpc
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.harness import ROOT, RunningServer, numbered
from tests.server.metrics.nvml import Driver
from vitscope import Client, ClientError
from vitscope.server.metrics import Metrics
from vitscope.server.metrics.gpus import GpuCollector, UsageCollector

PAGE = ROOT / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>\w+) \| (?P<labels>[\w, ]*?) ?\| (?P<meaning>.+) \|$", re.M)
# A certificate is enough where there is no GPU.
ONLY_ON_GPUS = {"vitscope_gate_agreement_ratio"}

Documented = dict[str, tuple[str, set[str]]]
"""Type and labels by name, as a scrape has it."""


def on_the_page() -> Documented:
    found = {
        row["name"]: (row["type"], set(row["labels"].split(", ")) - {""}) for row in ROW.finditer(PAGE.read_text())
    }
    assert len(found) == PAGE.read_text().count("\n| `")
    return found


def of_gpus() -> set[str]:
    return set(ROW.sub(r"\g<name>", PAGE.read_text().partition("## GPUs")[2]).split()) & on_the_page().keys()


def in_the_code() -> dict[str, str]:
    registry = Metrics().registry
    registry.register(UsageCollector(list))
    registry.register(GpuCollector(Driver()))
    return dict(_named(registry))


def _named(registry: CollectorRegistry) -> Iterator[tuple[str, str]]:
    for family in registry.collect():
        total, info = "_total" * (family.type == "counter"), "_info" * (family.type == "info")
        yield family.name + total + info, "gauge" if family.type == "info" else family.type


@pytest.fixture(scope="module")
def busy(models: Path, photo: bytes) -> Iterator[RunningServer]:
    """A server that has seen something of everything."""
    with RunningServer(models, "--cache-mib", "8") as server, Client(server.address) as client:
        for model in ("fashion", "registers"):
            client.classify(photo, model=model, attention="last", timeout=30)
            client.classify(photo, model=model)
            client.classify(numbered(photo, 1), model=model, attention="all")
            client.classify(photo, model=model, method="evidence", timeout=30)
        with pytest.raises(ClientError):
            client.classify(photo[:100], model="fashion")
        server.get("/api/v1/models")
        yield server


def samples(server: RunningServer) -> dict[str, tuple[str, list[dict[str, str]]]]:
    """Type and label sets by the name on the page, from a live scrape."""
    found = {}
    for family in text_string_to_metric_families(server.get("/metrics")):
        name = family.name + "_total" * (family.type == "counter")
        extra = {"le"} if family.type == "histogram" else set()
        found[name] = (
            family.type,
            [{key: value for key, value in sample.labels.items() if key not in extra} for sample in family.samples],
        )
    return found


def test_the_page_names_what_the_code_declares() -> None:
    page = {name: kind for name, (kind, _) in on_the_page().items()}
    assert page == in_the_code()


def test_a_running_server_sends_what_the_page_says(busy: RunningServer) -> None:
    page, live = on_the_page(), samples(busy)
    assert live.keys() <= page.keys()
    for name, (kind, labels) in page.items():
        if name in of_gpus() | ONLY_ON_GPUS:
            continue
        assert name in live, f"{name} is on the page, but not in a scrape"
        assert live[name][0] == kind, name
        assert live[name][1], f"{name} has no samples"
        assert all(set(sample) == labels for sample in live[name][1]), f"{name}: {live[name][1][0]}"


def test_what_callers_send_becomes_no_label(busy: RunningServer, photo: bytes) -> None:
    def label_sets() -> dict[str, set[frozenset[tuple[str, str]]]]:
        return {name: {frozenset(one.items()) for one in found} for name, (_, found) in samples(busy).items()}

    def bother(number: int) -> None:
        with pytest.raises(ClientError):
            client.classify(photo, model=f"nobody-{number}")
        with pytest.raises(ClientError):
            client.classify(photo, model="fashion", version=number + 2)
        for method in (f"/vitscope.v1.ClassifierService/Method{number}", f"/service{number}/Classify"):
            with pytest.raises(grpc.RpcError):
                busy.channel.unary_unary(method)(b"", timeout=5)
        for path in (f"/api/v1/models/nobody-{number}", f"/api/v{number + 2}/models"):
            with pytest.raises(HTTPError, match="404"):
                busy.get(path)
        with pytest.raises(grpc.RpcError):
            busy.stub.Classify(b"", timeout=5, metadata=[("user-agent", f"agent-{number}")])  # type: ignore[arg-type]

    with Client(busy.address) as client:
        bother(0)
        before = label_sets()
        for number in range(1, 10):
            bother(number)
    assert label_sets() == before


def test_quality_tells_what_was_answered(busy: RunningServer, models: Path, photo: bytes) -> None:
    with RunningServer(models, "--low-confidence", "1") as server, Client(server.address) as client:
        result = client.classify(photo, model="fashion", top_k=2, attention="last", timeout=30)
        first, second = (one.probability for one in result.classes)
        labels = {"model": "fashion", "version": "1"}
        assert server.metric("vitscope_confidence_ratio_sum", **labels) == pytest.approx(first, abs=1e-5)
        assert server.metric("vitscope_margin_ratio_sum", **labels) == pytest.approx(first - second, abs=1e-5)
        assert server.metric("vitscope_image_pixels_sum", **labels) == 451 * 300
        assert 0.3 < server.metric("vitscope_brightness_ratio_sum", **labels) < 0.7
        assert 0 < server.metric("vitscope_attention_entropy_ratio_sum", **labels) < 1
        assert server.metric("vitscope_low_confidence_total", **labels) == 1
        assert 0 < server.metric("vitscope_deadline_used_ratio_sum", **labels) < 1
        busy_seconds = server.metric("vitscope_engine_busy_seconds_total", **labels)
        assert 0 < busy_seconds == pytest.approx(server.metric("vitscope_stage_seconds_sum", stage="infer"), rel=1)
