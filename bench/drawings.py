"""The two drawings: throughput by number of clients, latency by load."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from bench.models import TITLES
from bench.results import Results

THROUGHPUT, LATENCY = "bench-throughput.svg", "bench-latency.svg"
# Okabe and Ito's colours, which colour-blind readers can tell apart.
_SUBJECTS = {
    "vitscope": ("vitscope", "#0072B2", "o"),
    "informed": ("plain server, informed", "#E69F00", "s"),
    "plain": ("plain server", "#999999", "^"),
}
_PERCENTILES = {"p50_ms": ("#009E73", "o"), "p95_ms": ("#E69F00", "s"), "p99_ms": ("#D55E00", "^")}


def draw(results: Results, folder: Path) -> list[str]:
    """Draw what was measured. Returns the names of the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    # A fixed salt, and no date below: the same results must make the same file.
    plt.rcParams.update({"svg.hashsalt": "vitscope", "font.size": 9})
    drawn = {THROUGHPUT: ("served", _throughput), LATENCY: ("poisson", _latency)}
    names = []
    for name, (section, panel) in drawn.items():
        models = results.models(section)
        if not models:
            continue
        figure, axes = plt.subplots(
            1, len(models), figsize=(max(6.5, 3.2 * len(models)), 3.4), squeeze=False, layout="constrained"
        )
        for ax, model in zip(axes[0], models, strict=True):
            panel(ax, results, model)
            ax.set_title(TITLES[model])
            ax.grid(alpha=0.25)
        figure.legend(
            *axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8
        )
        figure.savefig(folder / name, metadata={"Date": None})
        plt.close(figure)
        names.append(name)
    return names


def _throughput(ax: Axes, results: Results, model: str) -> None:
    for subject, (label, colour, marker) in _SUBJECTS.items():
        points = sorted((int(load.split()[0]), s) for load, s in results.series("served", model, subject, "rate"))
        if not points:
            continue
        clients, spreads = zip(*points, strict=True)
        ax.plot(clients, [s.median for s in spreads], color=colour, marker=marker, label=label)
        ax.fill_between(
            clients, [s.low for s in spreads], [s.high for s in spreads], color=colour, alpha=0.2, linewidth=0
        )
    if limit := results.spread("served", model, "limit", "combined", "rate"):
        ax.axhline(limit.median, color="black", linestyle="--", linewidth=1, label="decode + engine, no server")
    ax.set(xscale="log", xlabel="clients", ylabel="images/s", ylim=(0, None))
    ax.set_xticks([1, 8, 32, 128], ["1", "8", "32", "128"])
    ax.minorticks_off()


def _latency(ax: Axes, results: Results, model: str) -> None:
    for figure, (colour, marker) in _PERCENTILES.items():
        points = [
            (int(load.split()[0]), spread)
            for load, spread in results.series("poisson", model, "vitscope", figure)
            if load.endswith("%")
        ]
        shares, spreads = zip(*points, strict=True)
        ax.plot(shares, [s.median for s in spreads], color=colour, marker=marker, label=figure.removesuffix("_ms"))
        ax.fill_between(
            shares, [s.low for s in spreads], [s.high for s in spreads], color=colour, alpha=0.2, linewidth=0
        )
    if one := results.spread("poisson", model, "engine", "one image", "run_ms"):
        ax.axhline(one.median, color="black", linestyle="--", linewidth=1, label="engine, one image")
    ax.set(xlabel="load, % of capacity (Poisson arrivals)", ylabel="latency, ms", yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xticks(shares)
