"""Is it full?"""

from deploy.grafana.panels import BAD, WARN, Query, graph
from deploy.grafana.promql import SERVER, VERSION, having, mean, quantile, rate
from deploy.grafana.rows import Row, line

ENGINE = "model, version, engine"


def _busy(by: str) -> str:
    return f"{rate('vitscope_engine_busy_seconds_total', by)} / sum by ({by}) (vitscope_engine_streams{{{VERSION}}})"


BUSY = graph(
    "Engines in use",
    "Share of the time in which each engine computes: the seconds in which batches ran, over those that its streams "
    "had; and all engines of a server together, for the busiest server. Near 100 % the server has reached its "
    "capacity, and more requests only wait longer.",
    Query(f"max(sum by (instance) ({_busy(f'instance, {ENGINE}')}))", "together", colour="purple"),
    Query(_busy(ENGINE), "{{model}} {{version}}"),
    unit="percentunit",
    line_at=0.9,
)

WAIT = graph(
    "Wait for the engine",
    "Predicted wait of an image that arrives now, in the server where it is longest, and what 99 % of the answered "
    "images did wait. Above the limit, which is the setting max_queue_wait, new images are refused.",
    Query(f"max(vitscope_backlog_seconds{{{SERVER}}})", "predicted", colour="blue"),
    Query(
        quantile(0.99, "vitscope_stage_seconds", selector=having(stage="queue")),
        "waited (p99)",
        colour="orange",
    ),
    Query(f"min(vitscope_queue_wait_limit_seconds{{{SERVER}}})", "limit", limit=True),
    unit="s",
)

DEADLINES = graph(
    "Callers' time used up",
    "Share of the callers' deadlines that had passed when the answer was ready. Near 100 %, answers begin to come "
    "too late: fewer requests, more servers, or longer deadlines.",
    *(
        Query(quantile(part, "vitscope_deadline_used_ratio"), name, colour=colour)
        for part, name, colour in ((0.5, "p50", "green"), (0.95, "p95", "yellow"), (0.99, "p99", "orange"))
    ),
    unit="percentunit",
    top=1,
    line_at=0.8,
)

REFUSALS = graph(
    "Refusals",
    "Images per second that were refused or dropped, by reason: queue_wait and in_flight: the server's limits; "
    "deadline: the answer would have been late; expired: it was; bytes: too many bytes in flight. All models "
    "together.",
    Query(rate("vitscope_refusals_total", "reason", SERVER), "{{reason}}"),
    unit="reqps",
    stack=True,
    colours={"queue_wait": WARN, "in_flight": BAD, "deadline": "purple", "expired": "blue", "bytes": "yellow"},
)

IN_FLIGHT = graph(
    "In flight",
    "Images admitted and not yet answered, and those of them that wait decoded for an engine, summed over servers. "
    "Above the limit, which is the setting max_in_flight, new images are refused.",
    Query(f"sum(vitscope_in_flight{{{SERVER}}})", "in flight", colour="blue"),
    Query(f"sum(vitscope_queue_depth{{{SERVER}}})", "waiting", colour="orange"),
    Query(f"sum(vitscope_in_flight_limit{{{SERVER}}})", "limit", limit=True),
    unit="none",
)

BATCHES = graph(
    "Batch size and fill",
    "Mean size of the batches that ran (left), and its share of the size at which the engine is fastest (right). "
    "Small batches are right under little load, and wrong under full load.",
    Query(
        mean("vitscope_batch_size"),
        "mean size",
        colour="blue",
    ),
    Query(
        f"{rate('vitscope_batch_size_sum')} / sum({rate('vitscope_batch_size_count', ENGINE)}"
        f" * on ({ENGINE}) max by ({ENGINE}) (vitscope_batch_size_best{{{VERSION}}}))",
        "fill",
        colour="green",
        right="percentunit",
    ),
    unit="none",
)

LAG = graph(
    "Lateness of the event loop",
    "How late the event loop, which reads and answers all requests, ran its timers. Above 0.1 s the event loop is "
    "the bottleneck, which engines and predicted waits do not show: fewer requests or smaller photos for this "
    "server, or more servers.",
    Query(quantile(0.5, "vitscope_event_loop_lag_seconds", selector=SERVER), "p50", colour="green"),
    Query(quantile(0.99, "vitscope_event_loop_lag_seconds", selector=SERVER), "p99", colour="orange"),
    unit="s",
    line_at=0.1,
)

CPU = graph(
    "Processor",
    "Processor time over what each server may use, by quota and affinity. At 100 % while engines are not, something "
    "else uses it: decoding, see the stages above.",
    Query(
        f"sum by (instance) (rate(process_cpu_seconds_total{{{SERVER}}}[$__rate_interval]))"
        f" / sum by (instance) (vitscope_cpu_cores{{{SERVER}}})",
        "{{instance}}",
    ),
    unit="percentunit",
    line_at=0.9,
)

MEMORY = graph(
    "Memory",
    "Memory of each server's process, and the part of it that holds cached answers (the setting cache_mib). A new "
    "version of a model is loaded beside the old one: memory rises for a while.",
    Query(f"process_resident_memory_bytes{{{SERVER}}} and on (instance) vitscope_build_info", "{{instance}}"),
    Query(f"sum(vitscope_cache_bytes{{{SERVER}}})", "kept answers", colour="purple"),
    unit="bytes",
)

REPEATS = graph(
    "Answered without computing",
    "Images per second that equal one in flight (shared) or an earlier one (cached), and their share of all images "
    "(right).",
    Query(rate("vitscope_repeats_total", "how"), "{{how}}"),
    Query(
        f"{rate('vitscope_repeats_total')} / {rate('vitscope_requests_total', selector=having(code='OK'))}",
        "share",
        colour="purple",
        right="percentunit",
    ),
    unit="reqps",
)

MAPS = graph(
    "Maps",
    "Images per second that were answered with maps, by method. Methods beyond the last layer's attention need a "
    "larger graph.",
    Query(rate("vitscope_map_requests_total", "method"), "{{method}}"),
    unit="reqps",
    stack=True,
)

FULL = Row(
    "Is it full?",
    (
        line(7, BUSY, WAIT, DEADLINES),
        line(7, REFUSALS, IN_FLIGHT, BATCHES),
        line(7, LAG, CPU, MEMORY),
    ),
)
WORK = Row("What is asked for?", (line(6, REPEATS, MAPS),))
