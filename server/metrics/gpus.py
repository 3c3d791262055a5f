"""Metrics of GPUs: memory, utilisation, power, and the runs of engines, read at each scrape."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vitscope.server.engines.contract import status_of
from vitscope.server.metrics.families import LANE
from vitscope.server.scheduling.lane import Lane

log = structlog.get_logger()


class GpuCollector(Collector):
    """Memory, utilisation and power of every GPU, through the driver's management library (NVML)."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        nvml.nvmlInit()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. Those that a GPU does not report (power, on some) are left out."""
        nvml = self._nvml
        families: dict[str, tuple[GaugeMetricFamily, Callable[[Any], float]]] = {
            name: (GaugeMetricFamily(f"vitscope_gpu_{name}", text, labels=("gpu", "uuid")), read)
            for name, text, read in (
                (
                    "memory_used_bytes",
                    "GPU memory in use, by all processes.",
                    lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used,
                ),
                ("memory_bytes", "GPU memory.", lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total),
                (
                    "utilization_ratio",
                    "Share of the last sample period in which a kernel ran.",
                    lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100,
                ),
                ("power_watts", "Power drawn.", lambda gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000),
            )
        }
        for index in range(nvml.nvmlDeviceGetCount()):
            gpu = nvml.nvmlDeviceGetHandleByIndex(index)
            labels = (str(index), nvml.nvmlDeviceGetUUID(gpu))
            for family, read in families.values():
                try:
                    family.add_metric(labels, read(gpu))
                except nvml.NVMLError:
                    continue
        yield from (family for family, _ in families.values())


class UsageCollector(Collector):
    """Seconds, rows and runs of engines on a GPU, for each open lane."""

    def __init__(self, lanes: Callable[[], Iterable[Lane]]) -> None:
        self._lanes = lanes

    def collect(self) -> Iterator[Metric]:
        seconds = CounterMetricFamily(
            "vitscope_engine_seconds", "Seconds by the GPU's clock, by phase of a run.", labels=(*LANE, "phase")
        )
        rows = CounterMetricFamily(
            "vitscope_engine_rows", "Rows computed: images, and padding that fills a batch up.", labels=(*LANE, "kind")
        )
        runs = CounterMetricFamily(
            "vitscope_engine_runs", "Runs, by how their kernels were launched.", labels=(*LANE, "launch")
        )
        for lane in self._lanes():
            usage = status_of(lane.engine).usage
            if usage is None:
                continue
            _add(seconds, lane, {"upload": usage.upload, "compute": usage.compute, "download": usage.download})
            _add(rows, lane, {"image": usage.rows, "padding": usage.padding})
            _add(runs, lane, {"graph": usage.graph_runs, "kernels": usage.runs - usage.graph_runs})
        yield from (seconds, rows, runs)


def _add(family: CounterMetricFamily, lane: Lane, values: Mapping[str, float]) -> None:
    for last, value in values.items():
        family.add_metric((*lane.labels, last), value)


def watch_gpus(registry: CollectorRegistry, lanes: Callable[[], Iterable[Lane]]) -> None:
    """Register both collectors; GpuCollector only if the driver and its bindings (nvidia-ml-py) are installed."""
    registry.register(UsageCollector(lanes))
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return
    try:
        registry.register(GpuCollector(nvml))
    except nvml.NVMLError as error:
        log.debug("no figures of GPUs", reason=str(error))
