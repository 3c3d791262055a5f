"""The report of a run: summary.json, a table, and of a ramp a plot of the knee.

The tables are rich's, because verdicts are coloured on a terminal and columns fit its width.
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

JSON_NAME, TEXT_NAME, PICTURE_NAME = "summary.json", "summary.txt", "knee.svg"
HTML_NAME, LOG_NAME = "locust.html", "locust.log"

_COLUMNS = ("rate", "goodput", "p50_ms", "p95_ms", "p99_ms", "error_ratio", "refusal_ratio", "lag_p99_ms")
# Above these the generator itself is late, and the latencies include its own queue.
_MUCH_LAG_MS, _MUCH_CPU = 10.0, 0.8


def write_report(summary: dict[str, Any], folder: Path) -> None:
    """Write the files of a report into a folder, and create it if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON_NAME).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    with (folder / TEXT_NAME).open("w", encoding="utf-8") as file:
        Console(file=file, width=110).print(table(summary))
    if summary["scenario"] == "ramp" and len(summary["phases"]) > 1 and find_spec("matplotlib") is not None:
        _draw(summary, folder / PICTURE_NAME)


def table(summary: dict[str, Any]) -> RenderableType:
    """Return the phases, the objectives with their verdicts, the knee, errors and warnings."""
    lines: list[RenderableType] = [_phases(summary), "", _verdicts(summary)]
    if summary["scenario"] == "ramp":
        knee = summary["knee"]
        text = (
            f"the knee: {knee} {summary['unit']}" if knee else "no knee: the objectives held at no load that was tried"
        )
        lines += ["", Text(text, style="bold")]
    if (errors := _errors(summary["codes"])) is not None:
        lines += ["", Text(errors, style="red")]
    if (warning := _warning(summary)) is not None:
        lines += ["", Text(warning, style="yellow")]
    return Group(*lines, "", Text("passed", "bold green") if summary["passed"] else Text("failed", "bold red"))


def _phases(summary: dict[str, Any]) -> Table:
    found = Table(
        box=None,
        padding=(0, 2, 0, 0),
        header_style="dim",
        title=f"load in {summary['unit']}, times in ms",
        title_style="dim",
        title_justify="left",
    )
    found.add_column("phase", no_wrap=True)
    for name in ("load", "sent/s", "good/s", "p50", "p95", "p99", "errors", "refused", "lag p99"):
        found.add_column(name, justify="right", no_wrap=True)
    phases = (
        sorted(summary["phases"], key=lambda one: one["load"]) if summary["scenario"] == "ramp" else summary["phases"]
    )
    for one in phases:
        found.add_row(one["phase"], str(one["load"]), *(_shown(name, one[name]) for name in _COLUMNS))
    return found


def _verdicts(summary: dict[str, Any]) -> Table:
    found = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("objective", "bar", "measured", "verdict"):
        found.add_column(name, justify="right" if name in ("bar", "measured") else "left")
    for one in summary["verdicts"]:
        name, passed = one["objective"], one["passed"]
        bar = f"{'≥' if name.startswith('goodput') else '≤'} {_shown(name, one['bar'])}"
        verdict = Text("passed", "green") if passed else Text("failed", "red")
        found.add_row(f"{one['phase']}: {name}", bar, _shown(name, one["measured"]), verdict)
    return found


def _errors(codes: dict[str, int]) -> str | None:
    others = {code: count for code, count in codes.items() if code not in ("OK", "RESOURCE_EXHAUSTED")}
    return "errors: " + ", ".join(f"{code} {count:,}" for code, count in sorted(others.items())) if others else None


def _warning(summary: dict[str, Any]) -> str | None:
    """Return a warning where the generator was too slow to measure the server."""
    lag, cores = summary["lag_p99_ms"] or 0, max((sender["cores"] for sender in summary["senders"]), default=0)
    if lag <= _MUCH_LAG_MS and cores <= _MUCH_CPU:
        return None
    advice = (
        "It needs more workers" if cores > _MUCH_CPU else "Others held the processors: it needs a machine of its own"
    )
    return (
        f"Locust itself was slow: 1 % of the requests were sent late by {lag:.0f} ms or more, and its busiest process "
        f"used {cores:.0%} of a processor. {advice} (docs/loadtest.md, Workers)."
    )


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name.endswith("ratio"):
        return f"{value:.2%}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _draw(summary: dict[str, Any], path: Path) -> None:
    """Plot goodput and latency over the load."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    steps = sorted(summary["phases"], key=lambda one: one["load"])
    figure, (rates, times) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    loads: Sequence[float] = [one["load"] for one in steps]
    rates.plot(loads, [one["goodput"] for one in steps], marker="o", color="#0072B2", label="answered in time")
    rates.plot(loads, [one["rate"] for one in steps], linestyle="--", color="#999999", label="sent")
    rates.set(xlabel=summary["unit"], ylabel="images/s", ylim=(0, None))
    for name, colour, marker in (("p50_ms", "#009E73", "o"), ("p99_ms", "#D55E00", "^")):
        points = [(one["load"], one[name]) for one in steps if one[name] is not None]
        times.plot(*zip(*points, strict=True), marker=marker, color=colour, label=name.removesuffix("_ms"))
    times.set(xlabel=summary["unit"], ylabel="latency, ms", yscale="log")
    for axes in (rates, times):
        if summary["knee"]:
            axes.axvline(summary["knee"], color="black", linewidth=1, linestyle=":", label="knee")
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path)
    plt.close(figure)
