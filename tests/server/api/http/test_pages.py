"""The HTTP pages for operators and orchestrators."""

from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from vitscope.server.api.http.pages import pages
from vitscope.server.metrics import Metrics
from vitscope.server.metrics.quality import Quality

ANSWER = Quality(confidence=0.4, margin=0.1, entropy=None, brightness=0.5, pixels=100)


def app_of(metrics: Metrics, *arguments: Any, **named: Any) -> web.Application:
    app = web.Application()
    app.add_routes(pages(metrics.registry, *arguments, **named))
    return app


async def test_probes_follow_what_they_are_told() -> None:
    state = {"alive": True, "ready": False}
    app = app_of(Metrics(), alive=lambda: state["alive"], ready=lambda: state["ready"])
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/healthz/live")).status == 200
        assert (await client.get("/healthz/ready")).status == 503
        state.update(alive=False, ready=True)
        assert (await client.get("/healthz/live")).status == 503
        assert (await client.get("/healthz/ready")).status == 200


async def test_what_could_be_better_follows_the_ok() -> None:
    remarks: list[str] = []
    app = app_of(Metrics(), alive=lambda: True, ready=lambda: True, remarks=lambda: remarks)
    async with TestClient(TestServer(app)) as client:
        assert await (await client.get("/healthz/ready")).text() == "ok\n"
        remarks += ["a/1: served by openvino/f32 until a better engine is built", "b/2: failed: two\n lines"]
        answer = await client.get("/healthz/ready")
        assert (answer.status, (await answer.text()).splitlines()) == (
            200,
            ["ok", "a/1: served by openvino/f32 until a better engine is built", "b/2: failed: two lines"],
        )
        assert await (await client.get("/healthz/live")).text() == "ok\n"


async def test_metrics_are_what_prometheus_reads_in_either_format() -> None:
    metrics = Metrics()
    metrics.requests.of("m", 1, "e").answered({"decode": 0.002, "total": 0.012}, ANSWER, None)
    async with TestClient(TestServer(app_of(metrics, lambda: True, lambda: True))) as client:
        plain = await client.get("/metrics")
        assert plain.headers["Content-Type"].startswith("text/plain")
        families = {family.name: family for family in text_string_to_metric_families(await plain.text())}
        opened = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert opened.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await opened.text()).endswith("# EOF\n")
    (count,) = families["vitscope_requests"].samples
    assert count.labels == {"model": "m", "version": "1", "engine": "e", "code": "OK"}
    total = [s for s in families["vitscope_stage_seconds"].samples if s.labels["stage"] == "total"]
    assert {s.labels["le"]: s.value for s in total if s.name.endswith("_bucket")}["+Inf"] == 1
    reasons = {s.labels["reason"] for s in families["vitscope_refusals"].samples}
    assert reasons == {"in_flight", "bytes", "queue_wait", "deadline", "expired"}


def test_latency_buckets_are_fine_at_one_millisecond_and_reach_ten_seconds() -> None:
    metrics = Metrics()
    metrics.requests.of("m", 1, "e").answered({"total": 0.0}, ANSWER, None)
    bounds = sorted(
        float(sample.labels["le"])
        for family in metrics.registry.collect()
        if family.name == "vitscope_stage_seconds"
        for sample in family.samples
        if sample.name.endswith("_bucket")
    )
    assert sum(bound <= 0.001 for bound in bounds) >= 3
    assert bounds[-2] >= 10
