from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.scheduling.fakes import GatedEngine, lane
from vitscope.server.engines.contract import Identity
from vitscope.server.metrics import Metrics
from vitscope.server.quality import Quality

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
    images = metrics.images(model, 1, "fake/f32")
    images.answered("OK", {"total": 0.1})
    images.quality.observe(ANSWER)
    images.deadline_used.observe(0.2)
    metrics.served_by(model, 1, served, certified=True)
    metrics.batch_ran(served, 2, 0.01)
    metrics.repeats.labels(model, 1, "shared").inc()
    metrics.map_requests.labels(model, 1, "attention").inc()
    metrics.model_ready.labels(model, 1).set(1)
    metrics.engine_degraded.labels(model, 1).set(0)
    metrics.gate_agreement.labels(model, 1, "fake/f32", "classify").set(1)


def test_a_model_that_goes_takes_its_series_along_and_no_other() -> None:
    metrics = Metrics()
    empty = names(metrics)
    everything(metrics, "stays")
    expected = names(metrics)
    everything(metrics, "goes")
    assert names(metrics, model="goes") == names(metrics, model="stays") == expected - empty
    metrics.forget("goes", 1)
    assert names(metrics, model="goes") == set()
    assert names(metrics, model="stays") == expected - empty


def test_what_is_counted_too_late_brings_no_series_back() -> None:
    metrics = Metrics()
    everything(metrics, "m")
    images, known, unknown = metrics.images("m", 1, "fake/f32"), lane(GatedEngine(), "m"), lane(GatedEngine(), "m")
    metrics.batch_ran(known, 1, 0.1)
    metrics.forget("m", 1)
    images.answered("UNAVAILABLE", {})
    metrics.batch_ran(known, 1, 0.1)
    metrics.batch_ran(unknown, 1, 0.1)
    assert names(metrics, model="m") == set()


def test_a_version_that_comes_back_is_counted_from_nothing() -> None:
    metrics = Metrics()
    everything(metrics, "m")
    metrics.forget("m", 1)
    everything(metrics, "m")
    labels = {"model": "m", "version": "1", "engine": "fake/f32"}
    assert value(metrics, "vitscope_requests_total", code="OK", **labels) == 1


def test_another_engine_takes_the_place_of_the_first_in_the_gauges() -> None:
    metrics = Metrics()
    metrics.served_by("m", 1, lane(GatedEngine(max_batch=2), "m"), certified=True)
    better = GatedEngine(streams=2)
    better.identity = Identity("better", "2", "bf16", "test")
    metrics.served_by("m", 1, lane(better, "m"), certified=False)
    labels = {"model": "m", "version": "1", "engine": "better/bf16"}
    about = {"engine_version": "2", "device": "test", "certified": "false"}
    assert value(metrics, "vitscope_engine_info", **labels, **about) == 1
    assert value(metrics, "vitscope_engine_streams", **labels) == 2
    assert value(metrics, "vitscope_batch_size_best", **labels) == 4
    assert names(metrics, engine="fake/f32") == set()


def test_an_answer_below_the_setting_counts_as_low() -> None:
    metrics = Metrics(low_confidence=0.45)
    quality = metrics.images("m", 1, "e").quality
    for confidence in (0.449, 0.45, 0.9):
        quality.observe(Quality(confidence, 0.1, 0.5, 0.5, 100))
    assert value(metrics, "vitscope_low_confidence_total", model="m", version="1") == 1


def test_without_attention_there_is_no_entropy() -> None:
    metrics = Metrics()
    metrics.images("m", 1, "e").quality.observe(Quality(0.9, 0.8, None, 0.5, 100))
    assert value(metrics, "vitscope_attention_entropy_ratio_count", model="m", version="1") == 0
    assert value(metrics, "vitscope_confidence_ratio_count", model="m", version="1") == 1
