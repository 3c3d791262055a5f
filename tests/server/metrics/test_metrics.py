"""Series come with the first event of a model version, and go with it."""

from types import SimpleNamespace
from typing import Any

import grpc
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.scheduling.fakes import GatedEngine, lane
from vitscope.server.engines.contract import Identity
from vitscope.server.errors import Outcome
from vitscope.server.metrics import Metrics
from vitscope.server.metrics.quality import Quality
from vitscope.server.models.status import State
from vitscope.server.scheduling.lane import Lane

ANSWER = Quality(confidence=0.4, margin=0.1, entropy=0.8, brightness=0.5, pixels=640 * 480)


def names(metrics: Metrics, **labels: str) -> set[str]:
    """Names of the samples that carry these labels."""
    return {
        sample.name
        for family in text_string_to_metric_families(generate_latest(metrics.registry).decode())
        for sample in family.samples
        if labels.items() <= sample.labels.items()
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def everything(metrics: Metrics, model: str) -> None:
    """At least one event in every family that a model version has a part in."""
    served = lane(GatedEngine(), model)
    metrics.requests.of(model, 1, "fake/f32").answered({"total": 0.1}, ANSWER, deadline_used=0.2)
    metrics.requests.of(model, 1, "fake/f32").ended(Outcome.INVALID)
    metrics.requests.repeated(model, 1, "shared")
    metrics.requests.explained(model, 1, "attention")
    metrics.engines.serves(model, 1, served, certified=True)
    metrics.engines.batch_ran(served, 2, 0.01)
    metrics.models.changed(stand_in(model, served))


def stand_in(name: str, served: Lane) -> Any:
    """The parts of a ready model that metrics read, on this lane."""
    entry = SimpleNamespace(engine="fake", precision="f32", top1_agreement=1.0)
    return SimpleNamespace(
        name=name, version=1, state=State.READY, degraded=False, choice=SimpleNamespace(certified=True),
        gates={"classify": entry}, open_lane=lambda graph: served,
    )  # fmt: skip


def test_a_model_that_goes_takes_its_series_along_and_no_other() -> None:
    metrics = Metrics()
    empty = names(metrics)
    everything(metrics, "stays")
    expected = names(metrics)
    everything(metrics, "goes")
    assert names(metrics, model="goes") == names(metrics, model="stays") == expected - empty
    metrics.models.removed("goes", 1)
    assert names(metrics, model="goes") == set()
    assert names(metrics, model="stays") == expected - empty


def test_what_is_counted_too_late_brings_no_series_back() -> None:
    metrics = Metrics()
    everything(metrics, "m")
    images, known, unknown = metrics.requests.of("m", 1, "fake/f32"), lane(GatedEngine(), "m"), lane(GatedEngine(), "m")
    metrics.engines.batch_ran(known, 1, 0.1)
    metrics.models.removed("m", 1)
    images.ended(Outcome.NOT_READY)
    metrics.engines.batch_ran(known, 1, 0.1)
    metrics.engines.batch_ran(unknown, 1, 0.1)
    assert names(metrics, model="m") == set()


def test_a_version_that_comes_back_is_counted_from_nothing() -> None:
    metrics = Metrics()
    everything(metrics, "m")
    metrics.models.removed("m", 1)
    everything(metrics, "m")
    labels = {"model": "m", "version": "1", "engine": "fake/f32"}
    assert value(metrics, "vitscope_requests_total", code="OK", **labels) == 1


def test_another_engine_takes_the_place_of_the_first_in_the_gauges() -> None:
    metrics = Metrics()
    metrics.engines.serves("m", 1, lane(GatedEngine(max_batch=2), "m"), certified=True)
    better = GatedEngine(streams=2)
    better.identity = Identity("better", "2", "bf16", "test")
    metrics.engines.serves("m", 1, lane(better, "m"), certified=False)
    labels = {"model": "m", "version": "1", "engine": "better/bf16"}
    about = {"engine_version": "2", "device": "test", "certified": "false"}
    assert value(metrics, "vitscope_engine_info", **labels, **about) == 1
    assert value(metrics, "vitscope_engine_streams", **labels) == 2
    assert value(metrics, "vitscope_batch_size_best", **labels) == 4
    assert names(metrics, engine="fake/f32") == {"vitscope_compute_failures_total"}, "counters stay"


def test_an_answer_below_the_setting_counts_as_low() -> None:
    metrics = Metrics(low_confidence=0.45)
    version = metrics.requests.of("m", 1, "e")
    for confidence in (0.449, 0.45, 0.9):
        version.answered({}, Quality(confidence, 0.1, 0.5, 0.5, 100), None)
    assert value(metrics, "vitscope_low_confidence_total", model="m", version="1") == 1


def test_without_attention_there_is_no_entropy() -> None:
    metrics = Metrics()
    metrics.requests.of("m", 1, "e").answered({}, Quality(0.9, 0.8, None, 0.5, 100), None)
    assert value(metrics, "vitscope_attention_entropy_ratio_count", model="m", version="1") == 0
    assert value(metrics, "vitscope_confidence_ratio_count", model="m", version="1") == 1


def test_a_version_that_retires_is_not_ready_and_keeps_its_other_series() -> None:
    metrics = Metrics()
    everything(metrics, "m")
    metrics.models.retired("m", 1)
    assert value(metrics, "vitscope_model_ready", model="m", version="1") is None
    assert value(metrics, "vitscope_engine_degraded", model="m", version="1") == 0


def test_late_requests_count_as_refusals_that_expired() -> None:
    metrics = Metrics()
    metrics.requests.of_no_model.ended(Outcome.LATE)
    assert value(metrics, "vitscope_refusals_total", reason="expired") == 1
    labels = {"model": "", "version": "", "engine": "", "code": "DEADLINE_EXCEEDED"}
    assert value(metrics, "vitscope_requests_total", **labels) == 1


def test_every_outcome_is_a_status_code_of_google_rpc() -> None:
    assert {outcome.value for outcome in Outcome} <= {code.name for code in grpc.StatusCode}
