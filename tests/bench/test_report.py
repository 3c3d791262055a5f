"""The page, its drawings, and the command that writes them."""

from pathlib import Path

import pytest

from bench import report
from bench.cli import main
from bench.drawings import THROUGHPUT, draw
from bench.results import Record, Results


def test_the_page_begins_with_what_the_reader_gets(results: Results) -> None:
    page = report.render(results, [])
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["## What you get", "## The bars", "## Ratios", "## Figures", "## Method", "## Machine"]
    assert "| served ÷ the combined limit, 32 clients | ViT-Ti/16 | ≥ 0.90 | 0.95 | 0.80 – 1.00 | met |" in page
    assert "| Poisson at 80 % of capacity: refusals | ViT-Ti/16 | ≤ 0.00 | 0.00 | 0.00 – 0.00 | met |" in page
    assert "a processor" in page and "2026-01-02 03:04 UTC" in page


def test_figures_show_medians_and_the_noise_of_the_first_column(results: Results) -> None:
    page = report.render(results, [])
    assert "| ViT-Ti/16 | vitscope | 32 clients | 95.0 (40.0–200.0) | 1 | 3.0 |" in page
    assert "### Overload" not in page  # it was not measured


def test_ratios_come_before_figures_and_leave_gaps_where_nothing_was_measured(results: Results) -> None:
    ratios = report.render(results, []).split("## Ratios")[1].split("## Figures")[0]
    assert "| ViT-Ti/16 | 32 clients | 0.95 | – | – |" in ratios
    assert "| ViT-Ti/16 | 8 clients | – | – | – |" in ratios


def test_the_opening_has_the_figures_of_a_user(results: Results) -> None:
    opening = report.render(results, []).split("## The bars")[0]
    assert "On a processor, 2 cores (AVX2, no AMX):" in opening
    assert "| ViT-Ti/16 | 2.0 ms | 95.0 | – | – | – |" in opening


def test_bars_are_by_class_of_processor(results: Results) -> None:
    for round_ in range(3):
        results.add(Record("served", "vit-ti", "plain", "32 clients", round_, {"rate": 100.0}))
    line = "| served ÷ the plain server, 32 clients | ViT-Ti/16 | ≥ 3.50 | 0.95 | 0.40 – 2.00 | "
    page = report.render(results, [])
    assert f"{line}for AMX |" in page
    assert "This one has none (AVX2, no AMX)" in page
    for circumstances in results.circumstances.values():
        circumstances["machine"]["instructions"] = "amx_tile, amx_bf16"
    page = report.render(results, [])
    assert f"{line}**missed** |" in page
    assert "has none" not in page


def test_remarks_stand_below_the_verdicts(results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "REMARKS", tmp_path / "remarks.md")
    (tmp_path / "remarks.md").write_text("Why it was missed.\n")
    assert "Why it was missed." in report.render(results, []).split("## Ratios")[0]


def test_curves_are_drawn_from_few_clients_to_many(results: Results, tmp_path: Path) -> None:
    draw(results, tmp_path / "one")
    results.records.reverse()
    draw(results, tmp_path / "other")
    drawn = [(tmp_path / folder / THROUGHPUT).read_bytes() for folder in ("one", "other")]
    assert drawn[0] == drawn[1]


def test_every_table_is_rectangular(results: Results) -> None:
    for block in report.render(results, ["bench-latency.svg"]).split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1, block


def test_the_command_writes_page_and_drawings_from_stored_results(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "results.json")
    docs = tmp_path / "docs"
    arguments = ["--report", "--results", str(tmp_path / "results.json"), "--docs", str(docs)]
    assert main(arguments) == 0
    page = (docs / "benchmarks.md").read_text()
    for name in ("bench-throughput.svg", "bench-latency.svg"):
        assert f"(images/{name})" in page
        first = (docs / "images" / name).read_bytes()
        assert first.startswith(b"<?xml")
        assert main(arguments) == 0
        assert (docs / "images" / name).read_bytes() == first  # the same results draw the same file
