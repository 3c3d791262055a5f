"""The figures as a table in Markdown."""

from collections.abc import Mapping

from examples.methods.measure import Figures


def table(found: Mapping[str, Figures], names: list[str]) -> str:
    """Return a row for each method: figures with the half width of their 95 % interval, and the time of a map."""
    lines = [f"| method | {' | '.join(names)} | ms |", f"|---{'|---' * len(names)}|---|"]
    for method, figures in found.items():
        cells = [_cell(figures, name) for name in names]
        lines.append(f"| {method} | {' | '.join(cells)} | {figures.milliseconds:.1f} |")
    return "\n".join(lines)


def _cell(figures: Figures, name: str) -> str:
    found = figures.intervals.get(name)
    return "–" if found is None else f"{found.mean:.2f} ± {(found.high - found.low) / 2:.2f}"
