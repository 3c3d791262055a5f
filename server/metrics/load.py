"""Load and its limits: what is refused, what is in flight, how late the event loop is."""

from collections.abc import Callable

from vitscope.server.metrics.families import SECONDS, Families

_REASONS = ("in_flight", "bytes", "queue_wait", "deadline", "expired")


class LoadMetrics:
    """Counts refusals, and shows the present beside its limits."""

    def __init__(self, families: Families) -> None:
        self._refusals = families.counter(
            "vitscope_refusals",
            "Images refused at the door (in_flight, bytes, queue_wait, deadline) or given up when their deadline passed "
            "(expired).",
            ("reason",),
        )
        # A series that appears only after its first event cannot be alerted on.
        self._by_reason = {reason: self._refusals.labels(reason) for reason in _REASONS}
        self._in_flight = families.gauge("vitscope_in_flight", "Images admitted and not yet answered.")
        self._in_flight_limit = families.gauge(
            "vitscope_in_flight_limit", "More images in flight are refused: max_in_flight."
        )
        self._queue_depth = families.gauge("vitscope_queue_depth", "Images decoded and not running yet.")
        self._backlog = families.gauge(
            "vitscope_backlog_seconds", "Predicted seconds until everything admitted so far has run."
        )
        self._queue_wait_limit = families.gauge(
            "vitscope_queue_wait_limit_seconds", "A longer predicted wait is refused: max_queue_wait."
        )
        self.loop_was_late = (
            families.histogram(
                "vitscope_event_loop_lag_seconds",
                "Seconds by which the event loop was late for an appointment.",
                (),
                SECONDS,
            )
            .labels()
            .observe
        )
        self._cpu_cores = families.gauge(
            "vitscope_cpu_cores", "Processors that this process may use, by quota and affinity."
        )

    def refused(self, reason: str) -> None:
        """Count one refusal."""
        self._by_reason[reason].inc()

    def watch(
        self, in_flight: Callable[[], float], queue_depth: Callable[[], float], backlog: Callable[[], float]
    ) -> None:
        """Read the present from these functions at each scrape."""
        self._in_flight.set_function(in_flight)
        self._queue_depth.set_function(queue_depth)
        self._backlog.set_function(backlog)

    def limits(self, in_flight: int, queue_wait: float, cpus: float) -> None:
        """Show the limits: requests in flight, seconds in the queue, processors."""
        self._in_flight_limit.set(in_flight)
        self._queue_wait_limit.set(queue_wait)
        self._cpu_cores.set(cpus)


class CacheMetrics:
    """Shows the answers that are kept for repeats."""

    def __init__(self, families: Families) -> None:
        self._bytes = families.gauge("vitscope_cache_bytes", "Bytes of answers kept for repeats.")
        self.evicted: Callable[[], None] = families.counter(
            "vitscope_cache_evictions", "Answers forgotten to make room for newer ones."
        ).inc

    def watch(self, size: Callable[[], float]) -> None:
        """Read the bytes from this function at each scrape."""
        self._bytes.set_function(size)
