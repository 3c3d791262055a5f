"""Is it healthy?"""

from deploy.grafana.panels import BAD, GOOD, WARN, Query, background, graph, stat, table, words
from deploy.grafana.promql import EACH_VERSION, SERVER, VERSION, having, or_zero, rate
from deploy.grafana.rows import Line, Row, line

# Faults of the server and mistakes of callers, as in deploy/prometheus/rules/objectives.yml.
FAULTS = "INTERNAL|UNAVAILABLE|UNKNOWN|DATA_LOSS|DEADLINE_EXCEEDED"
FAULTS_ALLOWED = 0.001
MISTAKES = "INVALID_ARGUMENT|NOT_FOUND|UNIMPLEMENTED|OUT_OF_RANGE|FAILED_PRECONDITION"
CODES = {
    "OK": GOOD,
    "INVALID_ARGUMENT": "yellow",
    "NOT_FOUND": "light-yellow",
    "CANCELLED": "gray",
    "RESOURCE_EXHAUSTED": WARN,
    "DEADLINE_EXCEEDED": "purple",
    "UNAVAILABLE": "semi-dark-red",
    "INTERNAL": BAD,
}


def _met(objective: str) -> str:
    return f'1 - max(model:vitscope_objective_missed:ratio_rate1h{{objective="{objective}",model=~"$model"}})'


def _share(codes: str) -> str:
    """Return the share of images that were answered with one of these codes; 0 while there are none."""
    some = rate("vitscope_requests_total", selector=f'{VERSION},code=~"{codes}"')
    return f"({or_zero(some)}) / {rate('vitscope_requests_total')}"


TILES = line(
    4,
    stat(
        "Servers",
        "Servers that answer Prometheus. Those that do not are named by the alert VitscopeServerDown, or were "
        "stopped on purpose.",
        Query(or_zero(f"count(vitscope_build_info{{{SERVER}}})")),
        unit="none",
        steps=[(None, BAD), (1, GOOD)],
    ),
    stat(
        "Models that serve",
        "Model versions that answer requests, counted once for each server.",
        Query(or_zero(f"sum(vitscope_model_ready{{{VERSION}}})")),
        unit="none",
        steps=[(None, BAD), (1, GOOD)],
    ),
    stat(
        "Models that do not",
        "Model versions that are loading, or could not be loaded: the server's log says why.",
        Query(or_zero(f"count(vitscope_model_ready{{{VERSION}}} == 0)")),
        unit="none",
        steps=[(None, GOOD), (1, BAD)],
    ),
    stat(
        "Degraded engines",
        "Model versions that answer correctly, but from a slower engine, because a better one is still being built "
        "or could not be built.",
        Query(or_zero(f"sum(vitscope_engine_degraded{{{VERSION}}})")),
        unit="none",
        steps=[(None, GOOD), (1, WARN)],
    ),
    stat(
        "Not certified",
        "Engines whose answers were never compared with the checkpoint's: served because of --allow-uncertified.",
        Query(or_zero(f'count(vitscope_engine_info{{{VERSION},certified="false"}})')),
        unit="none",
        steps=[(None, GOOD), (1, WARN)],
    ),
    stat(
        "Alerts firing",
        "Alerts that fire now, of all servers. The dashed regions in the graphs below show since when; the runbook "
        "says what to do.",
        Query(or_zero('count(ALERTS{alertstate="firing"})')),
        unit="none",
        steps=[(None, GOOD), (1, BAD)],
    ),
    stat(
        "Answered, last hour",
        "Share of the last hour's images that the server did not fail, of the model where it is lowest. Refusals "
        "and callers' mistakes do not count. The objective is 99.9 %.",
        Query(_met("availability")),
        unit="percentunit",
        decimals=2,
        steps=[(None, BAD), (0.99, WARN), (1 - FAULTS_ALLOWED, GOOD)],
    ),
    stat(
        "In time, last hour",
        "Share of the last hour's answers that took less than the dashed line in “Latency”, of the model where it "
        "is lowest. The objective is 99 %.",
        Query(_met("latency")),
        unit="percentunit",
        decimals=2,
        steps=[(None, BAD), (0.95, WARN), (0.99, GOOD)],
    ),
)

REQUESTS = graph(
    "Images by status",
    "Images per second by the gRPC status that they were answered with. An item of a stream counts as an image.",
    Query(rate("vitscope_requests_total", "code", having(code="OK")), "{{code}}"),
    Query(rate("vitscope_requests_total", "code", f'{VERSION},code!="OK"'), "{{code}}"),
    unit="reqps",
    stack=True,
    colours=CODES,
)

NOT_ANSWERED = graph(
    "Share not answered",
    "Faults of the server, refusals because it is full, and mistakes of callers, as shares of all images. Only "
    "faults use up the error budget: their bar is 0.1 %.",
    Query(_share(FAULTS), "faults", colour=BAD),
    Query(_share("RESOURCE_EXHAUSTED"), "refused", colour=WARN),
    Query(_share(MISTAKES), "mistakes", colour="yellow"),
    unit="percentunit",
    line_at=FAULTS_ALLOWED,
)

SERVED = table(
    "What serves",
    "Each model version: the engine that computes it, its version and device, on how many servers it is ready, and "
    "its images per second.",
    Query(
        f"count by (model, version, engine, engine_version, device, certified) (vitscope_engine_info{{{VERSION}}})",
        "servers",
    ),
    Query(f"min by ({EACH_VERSION}) (vitscope_model_ready{{{VERSION}}})", "ready"),
    Query(rate("vitscope_requests_total", EACH_VERSION, having(code="OK")), "images/s"),
    columns=(
        "model",
        "version",
        "ready",
        "images/s",
        "servers",
        "engine",
        "certified",
        "engine_version",
        "device",
    ),
    looks={
        "ready": words(_0="no", _1="yes") | background((None, BAD), (1, GOOD)) | {"custom.width": 60},
        "version": {"custom.width": 65},
        "servers": {"custom.width": 65},
        "images/s": {"unit": "none", "decimals": 1, "custom.width": 75},
        "certified": {"custom.width": 75},
    },
)

HEALTHY = Row("Is it healthy?", (TILES, Line(8, ((8, REQUESTS), (6, NOT_ANSWERED), (10, SERVED)))))
