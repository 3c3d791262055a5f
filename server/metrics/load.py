"""Metrics of load and its limits: refusals, images in flight, queues, lag of the event loop."""

from collections.abc import Callable

from vitscope.server.metrics.families import SECONDS, Families

_REASONS = ("in_flight", "bytes", "queue_wait", "deadline", "expired")
_ENDS = ("seconds", "memory", "crashed", "killed", "deadline", "cancelled")


class LoadMetrics:
    """Counts refusals, and shows the current load beside its limits."""

    def __init__(self, families: Families) -> None:
        self._refusals = families.counter(
            "vitscope_refusals",
            "Images refused on arrival (in_flight, bytes, queue_wait, deadline) or dropped when their deadline passed "
            "(expired).",
            ("reason",),
        )
        # A series that appears only after its first event cannot be alerted on.
        self._by_reason = {reason: self._refusals.labels(reason) for reason in _REASONS}
        decodes_ended = families.counter(
            "vitscope_decodes_ended",
            "Decodes in a process of their own that were ended: over their budget of processor time (seconds) or "
            "memory (memory), by a crash (crashed), from outside (killed), at their deadline (deadline) or when their "
            "caller left (cancelled).",
            ("reason",),
        )
        self._decodes_by_reason = {reason: decodes_ended.labels(reason) for reason in _ENDS}
        self._in_flight = families.gauge("vitscope_in_flight", "Images admitted and not yet answered.")
        self._in_flight_limit = families.gauge(
            "vitscope_in_flight_limit", "More images in flight are refused: max_in_flight."
        )
        self._queue_depth = families.gauge("vitscope_queue_depth", "Images decoded that wait for an engine.")
        self._backlog = families.gauge(
            "vitscope_backlog_seconds", "Predicted seconds until everything admitted so far has run."
        )
        self._queue_wait_limit = families.gauge(
            "vitscope_queue_wait_limit_seconds", "A longer predicted wait is refused: max_queue_wait."
        )
        self.loop_was_late = (
            families.histogram(
                "vitscope_event_loop_lag_seconds",
                "Seconds by which the event loop ran a timer too late.",
                (),
                SECONDS,
            )
            .labels()
            .observe
        )
        self._cpu_cores = families.gauge("vitscope_cpu_cores", "CPUs that this process may use, by quota and affinity.")

    def decode_ended(self, reason: str) -> None:
        """Count one decode that was ended before it was done. On any thread."""
        self._decodes_by_reason[reason].inc()

    def refused(self, reason: str, times: int = 1) -> None:
        """Count refusals."""
        self._by_reason[reason].inc(times)

    def watch(
        self, in_flight: Callable[[], float], queue_depth: Callable[[], float], backlog: Callable[[], float]
    ) -> None:
        """Read the gauges from these functions at each scrape."""
        self._in_flight.set_function(in_flight)
        self._queue_depth.set_function(queue_depth)
        self._backlog.set_function(backlog)

    def limits(self, in_flight: int, queue_wait: float, cpus: float) -> None:
        """Show the limits: requests in flight, seconds in the queue, CPUs."""
        self._in_flight_limit.set(in_flight)
        self._queue_wait_limit.set(queue_wait)
        self._cpu_cores.set(cpus)


class CacheMetrics:
    """Metrics of the answers that are cached for repeats."""

    def __init__(self, families: Families) -> None:
        self._bytes = families.gauge("vitscope_cache_bytes", "Bytes of answers kept for repeats.")
        self.evicted: Callable[[], None] = families.counter(
            "vitscope_cache_evictions", "Answers evicted from the cache to make room for newer ones."
        ).inc

    def watch(self, size: Callable[[], float]) -> None:
        """Read the bytes from this function at each scrape."""
        self._bytes.set_function(size)
