"""The command: measure sections, judge the results, and write docs/benchmarks.md."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.bars import bars
from bench.drawings import draw
from bench.machine import describe
from bench.models import BUILD, ROOT, TITLES
from bench.report import render
from bench.results import Results
from bench.run import FULL, QUICK, Run
from bench.sections import fairness, idle, maps, overhead, overload, poisson, served, startup

SECTIONS = {
    "served": served,
    "poisson": poisson,
    "overload": overload,
    "maps": maps,
    "fairness": fairness,
    "idle": idle,
    "overhead": overhead,
    "startup": startup,
}
console = Console(stderr=True, log_path=False)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ViT-Ti alone and short rounds: about four minutes")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="measure these sections, keep the others' results")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the report again")
    parser.add_argument("--results", type=Path, help="JSON file of the results (build/bench/[quick-]results.json)")
    parser.add_argument("--docs", type=Path, help="where the report goes (docs/; for --quick build/bench/docs/)")
    flags = parser.parse_args(argv)
    effort = QUICK if flags.quick else FULL
    path = flags.results or BUILD / ("quick-results.json" if flags.quick else "results.json")
    results = Results.load(path)
    if not flags.report:
        if not flags.only:
            results = Results()
        measure(results, flags.only or list(SECTIONS), Run(effort, results, console.log), path)
    write(results, flags.docs or (BUILD / "docs" if flags.quick else ROOT / "docs"))
    return 0


def measure(results: Results, names: list[str], run: Run, path: Path) -> None:
    """Measure sections, and save the results after each, also of one that fails half-way."""
    with run:
        for name in names:
            results.drop(name)
            run.section = name
            when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            results.circumstances[name] = {"when": when, "effort": run.effort.name, "machine": describe()}
            try:
                SECTIONS[name].measure(run)
            finally:
                results.save(path)


def write(results: Results, docs: Path) -> None:
    """Write the page and its drawings, and print the verdicts."""
    drawings = draw(results, docs / "images")
    page = docs / "benchmarks.md"
    page.write_text(render(results, drawings))
    for verdict in (bar.judge(results) for bar in bars()):
        if verdict.figure:
            console.print(f"{verdict.word:<12} {TITLES[verdict.bar.model]:<16} {verdict.bar.what}", highlight=False)
    console.print(f"written to {page}", highlight=False)
