"""The page docs/benchmarks.md: what one gets, bars, ratios, absolute figures, drawings, method, machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.bars import bars, shown
from bench.machine import has_amx, processor_class
from bench.method import INTRODUCTION, METHOD, SECTIONS
from bench.models import TITLES
from bench.opening import opening
from bench.results import Results, Spread, ratios
from bench.sections.served import COMPARED, CURVE, clients_title
from vitscope.tables import markdown_table as table

# Remarks on the verdicts, written by hand and shown below their table.
REMARKS = Path(__file__).with_name("remarks.md")

# Columns of the absolute figures: heading, figure, decimals.
_RATE = ("images/s", "rate", 1)
_LATENCIES = tuple((f"{name} ms", f"{name}_ms", 1) for name in ("p50", "p95", "p99", "p99.9"))
_REFUSALS = (("refused", "refused", 0), ("other", "other", 0), ("p99 of refusals, ms", "refused_p99_ms", 1))
_COST = (
    ("server, cores", "server_cores", 2),
    ("generator, cores", "generator_cores", 2),
    ("elsewhere, cores", "elsewhere_cores", 2),
)
_MEMORY = ("server, MiB", "server_rss_mib", 0)
_RUN = ("one run, ms", "run_ms", 2)
_COLUMNS: dict[str, Sequence[tuple[str, str, int]]] = {
    "served": (_RATE, ("streams", "streams", 0), ("batch", "batch", 0), *_LATENCIES, *_COST, _MEMORY),
    "poisson": (_RATE, *_LATENCIES, _RUN, *_REFUSALS[:2], ("sent late, p99 ms", "lag_p99_ms", 1), *_COST),
    "overload": (_RATE, *_LATENCIES, *_REFUSALS, *_COST, _MEMORY),
    "maps": (_RATE, *_LATENCIES[:3], *_COST, _MEMORY),
    "fairness": (_RATE, *_LATENCIES[:3]),
    "idle": (
        *_LATENCIES[:3],
        ("decode, ms", "decode_ms", 2),
        ("engine, ms", "engine_ms", 2),
        ("beyond, by reply, ms", "by_reply_ms", 2),
        ("beyond, by limits, ms", "by_limits_ms", 2),
    ),
    "overhead": (("requests/s", "rate", 0), *_LATENCIES[:3], _RUN, *_COST),
    "startup": (("ready, s", "ready_seconds", 2),),
}


def render(results: Results, drawings: Sequence[str]) -> str:
    """Return the whole page. drawings: file names in docs/images/."""
    machines = [c["machine"] for c in results.circumstances.values()]
    parts = [
        "# Benchmarks",
        INTRODUCTION,
        "## What you get",
        opening(results, machines[-1]) if machines else "",
        "## The bars",
        _class_note(machines[-1]) if machines else "",
        _bars(results),
        REMARKS.read_text().strip() if REMARKS.exists() else "",
        "## Ratios",
        "Medians of ratios within one round.",
        _ratios(results),
        *(f"![{name.split('.')[0].replace('-', ' ')}](images/{name})" for name in drawings),
        "## Figures",
        "Medians over the rounds, in parentheses the least and the greatest of each first column.",
    ]
    for section, about in SECTIONS.items():
        if section in results.circumstances:
            parts += [f"### {about.title}", about.text, _figures(results, section)]
    parts += ["## Method", METHOD, "## Machine", _machine(machines[-1]) if machines else "", _circumstances(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _bars(results: Results) -> str:
    rows = []
    for verdict in (bar.judge(results) for bar in bars()):
        bar, figure = verdict.bar, verdict.figure
        measured = shown(figure.median, bar.unit) if figure else "–"
        noise = f"{shown(figure.low, bar.unit)} – {shown(figure.high, bar.unit)}" if figure else "–"
        rows.append((bar.what, TITLES[bar.model], bar.accepted, measured, noise, verdict.word))
    return table(("must show", "model", "bar", "median", "least – greatest", ""), rows)


def _ratios(results: Results) -> str:
    below = {
        "combined limit": ("limit", "combined"),
        "plain server": ("plain", ""),
        "informed plain server": ("informed", ""),
    }
    rows = []
    for model in results.models("served"):
        for clients in map(clients_title, sorted((COMPARED, *CURVE))):
            ours = results.values("served", model, "vitscope", clients, "rate")
            spreads = (
                Spread.of(ratios(ours, results.values("served", model, subject, load or clients, "rate")))
                for subject, load in below.values()
            )
            rows.append((TITLES[model], clients, *(f"{s.median:.2f}" if s else "–" for s in spreads)))
    return table(("model", "load", *(f"served ÷ {name}" for name in below)), rows)


def _figures(results: Results, section: str) -> str:
    measured = [record for record in results.records if record.section == section]
    columns = [c for c in _COLUMNS[section] if any(c[1] in record.figures for record in measured)]
    rows = []
    for model, subject, load in dict.fromkeys((r.model, r.subject, r.load) for r in measured):
        spreads = [(results.spread(section, model, subject, load, figure), digits) for _, figure, digits in columns]
        cells = [f"{spread.median:,.{digits}f}" if spread else "" for spread, digits in spreads]
        first, digits = spreads[0]
        if first and first.low != first.high:
            cells[0] += f" ({first.low:,.{digits}f}–{first.high:,.{digits}f})"
        rows.append((TITLES[model], subject, load, *cells))
    return table(("model", "what", "load", *(header for header, _, _ in columns)), rows)


def _machine(machine: dict[str, Any]) -> str:
    return table(("", ""), [(key, str(value)) for key, value in machine.items()])


def _circumstances(results: Results) -> str:
    """Return a table of time and effort of each section, which may come from different runs."""
    rows = [(SECTIONS[name].title, c["when"], c["effort"]) for name, c in results.circumstances.items()]
    return table(("section", "measured", "effort"), rows)


_MET = "A bar is met if the median of the rounds keeps to it; the least and the greatest value stand beside it."


def _class_note(machine: dict[str, Any]) -> str:
    if has_amx(machine):
        return f"{_MET} All bars are for processors with AMX, such as this one, or for every processor."
    return (
        f"{_MET} Some bars are for processors with AMX, whose engines are several times faster than float32 on the "
        f"same cores. This one has none ({processor_class(machine)}): what was measured stands beside them, and they "
        "are not judged."
    )
