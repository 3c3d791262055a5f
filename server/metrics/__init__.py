"""Every Prometheus series of the server, by topic; docs/metrics.md explains them.

Conventions: base units, seconds, histograms wide enough for 0.25 ms to 12 s.
"""

import platform

from prometheus_client import GCCollector, Info, PlatformCollector, ProcessCollector

from vitscope.server.host.version import service_version
from vitscope.server.metrics.engines import EngineMetrics
from vitscope.server.metrics.families import Families
from vitscope.server.metrics.http import HttpMetrics
from vitscope.server.metrics.load import CacheMetrics, LoadMetrics
from vitscope.server.metrics.models import ModelMetrics
from vitscope.server.metrics.quality import QualityMetrics
from vitscope.server.metrics.requests import RequestMetrics
from vitscope.server.metrics.rpcs import RpcMetrics


class Metrics:
    """The series of one server, in a registry of their own. Other modules call methods of its parts, not families."""

    def __init__(self, low_confidence: float = 0.5) -> None:
        families = Families()
        self.registry = families.registry
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.load = LoadMetrics(families)
        self.cache = CacheMetrics(families)
        self.rpcs = RpcMetrics(families)
        self.http = HttpMetrics(families)
        self.requests = RequestMetrics(families, self.load, QualityMetrics(families, low_confidence))
        self.engines = EngineMetrics(families)
        self.models = ModelMetrics(families, self.engines, self.requests)
        build = Info("vitscope_build", "Versions of the service and of Python.", registry=self.registry)
        build.info({"version": service_version(), "python": platform.python_version()})
