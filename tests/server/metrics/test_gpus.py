"""GPU metrics from NVML and from the engines."""

import pynvml
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.metrics.nvml import Driver
from tests.server.scheduling.fakes import GatedEngine, lane
from vitscope.server.engines.contract import Status, Usage
from vitscope.server.metrics.gpus import GpuCollector, UsageCollector, watch_gpus


def scrape(registry: CollectorRegistry) -> dict[str, dict[tuple[str, ...], float]]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples} for family in families
    }


def test_every_gpu_has_its_figures_and_what_it_does_not_tell_is_left_out() -> None:
    registry = CollectorRegistry()
    registry.register(GpuCollector(Driver()))
    found = scrape(registry)
    assert found["vitscope_gpu_memory_used_bytes"] == {("0", "GPU-0"): 10, ("1", "GPU-1"): 20}
    assert found["vitscope_gpu_memory_bytes"] == {("0", "GPU-0"): 100, ("1", "GPU-1"): 100}
    assert found["vitscope_gpu_utilization_ratio"] == {("0", "GPU-0"): 0.25, ("1", "GPU-1"): 0.25}
    assert found["vitscope_gpu_power_watts"] == {("0", "GPU-0"): 350}


def test_engines_that_count_are_counted_and_others_are_not() -> None:
    counting, other = lane(GatedEngine(), "counting"), lane(GatedEngine(), "other")
    usage = Usage(runs=5, rows=11, padding=3, graph_runs=4, upload=0.25, compute=2.0, download=0.5)
    counting.engine.status = lambda: Status(usage=usage)  # type: ignore[attr-defined]
    registry = CollectorRegistry()
    registry.register(UsageCollector(lambda: [counting, other]))
    found = scrape(registry)
    # The text format has labels in alphabetical order: engine, graph, and the family's own beside model and version.
    assert found["vitscope_engine_seconds"] == {
        ("fake/f32", "classify", "counting", phase, "1"): value
        for phase, value in (("upload", 0.25), ("compute", 2.0), ("download", 0.5))
    }
    assert found["vitscope_engine_rows"] == {
        ("fake/f32", "classify", kind, "counting", "1"): value for kind, value in (("image", 11), ("padding", 3))
    }
    assert found["vitscope_engine_runs"] == {
        ("fake/f32", "classify", launch, "counting", "1"): value for launch, value in (("graph", 4), ("kernels", 1))
    }


def test_without_a_driver_there_is_nothing_and_no_failure() -> None:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        registry = CollectorRegistry()
        watch_gpus(registry, list)
        assert not any(name.startswith("vitscope_gpu") for name in scrape(registry))
    else:
        pytest.skip("this machine has a GPU")
