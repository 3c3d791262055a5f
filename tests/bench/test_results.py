"""Results: stored, read by figure, and reduced to medians, ratios and percentiles."""

from pathlib import Path

import pytest

from bench.results import Record, Results, Spread, percentiles, ratios


def test_results_survive_the_disk(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "new" / "results.json")
    loaded = Results.load(tmp_path / "new" / "results.json")
    assert loaded.records == results.records
    assert loaded.circumstances == results.circumstances
    assert Results.load(tmp_path / "missing.json").records == []


def test_dropping_a_section_keeps_the_others(results: Results) -> None:
    results.drop("served")
    assert results.models("served") == []
    assert results.models("poisson") == ["vit-ti"]
    assert list(results.circumstances) == ["poisson"]


def test_a_spread_is_over_the_rounds(results: Results) -> None:
    assert results.spread("served", "vit-ti", "vitscope", "32 clients", "rate") == Spread(95.0, 40.0, 200.0)
    assert results.spread("served", "vit-ti", "nobody", "32 clients", "rate") is None


def test_ratios_are_taken_within_rounds() -> None:
    assert ratios({0: 10, 1: 30, 2: 5}, {0: 20, 1: 10, 3: 1}) == pytest.approx([0.5, 3.0])
    assert ratios({0: 1}, {0: 0}) == []


def test_series_follow_the_loads(results: Results) -> None:
    results.add(Record("served", "vit-ti", "vitscope", "8 clients", 0, {"other": 1.0}))
    assert [load for load, _ in results.series("served", "vit-ti", "vitscope", "rate")] == ["32 clients", "1 client"]


def test_percentiles_are_interpolated_milliseconds() -> None:
    found = percentiles([k / 1000 for k in range(1001)])
    assert found == pytest.approx({"p50": 500, "p95": 950, "p99": 990, "p99.9": 999})
    assert percentiles([]) == {}
