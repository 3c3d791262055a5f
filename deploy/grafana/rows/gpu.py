"""GPUs; empty where there is none."""

from deploy.grafana.panels import Query, graph
from deploy.grafana.promql import SERVER, having, rate
from deploy.grafana.rows import Row, line

CARD = "{{instance}} GPU {{gpu}}"

USE = graph(
    "GPU in use",
    "Share of the time in which any kernel ran. It does not tell how full the GPU was; the engines' share above does.",
    Query(f"vitscope_gpu_utilization_ratio{{{SERVER}}}", CARD),
    unit="percentunit",
    top=1,
)
MEMORY = graph(
    "GPU memory",
    "Memory in use on each GPU, by all processes, and its total.",
    Query(f"vitscope_gpu_memory_used_bytes{{{SERVER}}}", CARD),
    Query(f"max(vitscope_gpu_memory_bytes{{{SERVER}}})", "there is", limit=True),
    unit="bytes",
)
POWER = graph(
    "GPU power",
    "Watts that each GPU draws.",
    Query(f"vitscope_gpu_power_watts{{{SERVER}}}", CARD),
    unit="watt",
)
PHASES = graph(
    "What the GPU does",
    "Seconds per second, by the GPU's clock, of uploads, computing and downloads, which overlap. And the share of "
    "the computed rows that only filled a batch up (right).",
    Query(rate("vitscope_engine_seconds_total", "phase"), "{{phase}}"),
    Query(
        f"{rate('vitscope_engine_rows_total', selector=having(kind='padding'))} / {rate('vitscope_engine_rows_total')}",
        "padding",
        right="percentunit",
    ),
    unit="percentunit",
)

GPU = Row("GPU (where there is one)", (line(7, USE, MEMORY, POWER, PHASES),), collapsed=True)
