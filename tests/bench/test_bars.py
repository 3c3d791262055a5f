"""Bars are judged by the median of the rounds."""

import pytest

from bench.bars import Bar, bars, shown
from bench.results import Record, Results


def bar(what: str, model: str = "vit-ti") -> Bar:
    (found,) = (b for b in bars() if b.what == what and b.model == model)
    return found


def test_a_bar_is_judged_by_the_median_of_its_rounds(results: Results) -> None:
    verdict = bar("served ÷ the combined limit, 32 clients").judge(results)
    assert verdict.figure is not None
    assert (verdict.figure.low, verdict.figure.median, verdict.figure.high) == pytest.approx((0.80, 0.95, 1.00))
    assert verdict.met


def test_a_bar_can_be_missed(results: Results) -> None:
    for round_ in range(3):
        results.add(Record("served", "vit-ti", "plain", "32 clients", round_, {"rate": 100.0}))
    assert bar("served ÷ the plain server, 32 clients").judge(results).word == "for AMX"
    for found in results.circumstances.values():
        found["machine"]["instructions"] = "amx_bf16"
    assert bar("served ÷ the plain server, 32 clients").judge(results).met is False
    verdict = bar("Poisson at 80 % of capacity: p99 ÷ T(1 image)").judge(results)
    assert verdict.figure is not None and verdict.figure.median == pytest.approx(8.3)
    assert verdict.word == "**missed**"


def test_what_was_not_measured_is_not_judged() -> None:
    assert {b.judge(Results()).word for b in bars()} == {"not measured"}


def test_the_loss_to_maps_is_a_share(results: Results) -> None:
    for kind, rate in (("no maps", 100.0), ("last layer", 99.0)):
        results.add(Record("maps", "vit-ti", "vitscope", kind, 0, {"rate": rate}))
    verdict = bar("rate lost to maps of the last layer").judge(results)
    assert verdict.figure is not None and verdict.figure.median == pytest.approx(0.01)
    assert verdict.met


def test_units() -> None:
    assert [shown(0.125, "%"), shown(1.5, "ms"), shown(0.9, "")] == ["12.5 %", "1.50 ms", "0.90"]
