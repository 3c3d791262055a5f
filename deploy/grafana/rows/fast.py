"""Is it fast?"""

from deploy.grafana.panels import Query, graph
from deploy.grafana.promql import having, quantile, rate
from deploy.grafana.rows import Row, line

# In the order of an image's way through the server.
STAGES = {
    "receive": "blue",
    "decode": "yellow",
    "queue": "orange",
    "batch": "purple",
    "infer": "green",
    "maps": "light-blue",
}
OBJECTIVE_SECONDS = 0.461169  # the bucket of the latency objective in deploy/prometheus/rules/objectives.yml
TOTAL = having(stage="total")
STAGE_SECONDS = "vitscope_stage_seconds"

LATENCY = graph(
    "Latency",
    "From the arrival of an image to its answer, for answered images: 50 %, 95 % and 99 % of them are faster. The "
    "objective is that 99 % take less than the dashed line.",
    *(
        Query(quantile(part, STAGE_SECONDS, selector=TOTAL), name, colour=colour)
        for part, name, colour in ((0.5, "p50", "green"), (0.95, "p95", "yellow"), (0.99, "p99", "orange"))
    ),
    unit="s",
    line_at=OBJECTIVE_SECONDS,
)

WATERFALL = graph(
    "Where the time goes",
    "Mean seconds of an answered image in each stage; the stages add up to its latency. A thick queue: more images "
    "arrive than can be computed. A thick decode: large photos, or too few cores. A thick infer: the model itself.",
    *(
        Query(
            f"{rate(f'{STAGE_SECONDS}_sum', selector=having(stage=stage))}"
            f" / {rate(f'{STAGE_SECONDS}_count', selector=TOTAL)}",
            stage,
            colour=colour,
        )
        for stage, colour in STAGES.items()
    ),
    unit="s",
    stack=True,
)

WORST = graph(
    "p99 of each stage",
    "99 % of the answered images spend less time than this in the stage: it shows which one makes the slow ones slow.",
    *(
        Query(quantile(0.99, STAGE_SECONDS, selector=having(stage=stage)), stage, colour=colour)
        for stage, colour in STAGES.items()
    ),
    unit="s",
)

FAST = Row("Is it fast?", (line(8, LATENCY, WATERFALL, WORST),))
