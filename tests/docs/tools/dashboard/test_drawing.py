"""The drawing of the dashboard: numbers, steps, variables and legends as in Grafana."""

import pytest

from docs.tools.dashboard import charts, colours
from docs.tools.dashboard.answers import Answer, Window, look
from docs.tools.dashboard.prometheus import Series, expand, legend, rate_interval
from docs.tools.dashboard.units import formatted


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.0123, "s", None, "12.3 ms"),
        (0, "s", None, "0 s"),
        (90, "s", None, "1.5 min"),
        (7.25e-6, "s", None, "7.25 µs"),
        (0.9997, "percentunit", 2, "99.97%"),
        (0.99999, "percentunit", 2, "99.99%"),
        (1, "percentunit", 2, "100%"),
        (0.005, "percentunit", None, "0.5%"),
        (1536, "bytes", None, "1.5 KiB"),
        (3 * 2**30, "bytes", None, "3 GiB"),
        (1234, "reqps", None, "1.23K req/s"),
        (7, "none", 0, "7"),
        (65536, "short", None, "65.5K"),
    ],
)
def test_numbers_are_short(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert formatted(value, unit, decimals) == text


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(KeyError, match="fortnights"):
        formatted(1, "fortnights")


def test_a_step_is_whole_scrapes_and_few_enough() -> None:
    assert Window(0, 3600, 15).step(400) == 15
    assert Window(0, 3600, 15).step(60) == 60
    assert Window(0, 3601, 15).step(60) == 75


def test_rates_span_four_scrapes_or_a_step_and_one_more() -> None:
    assert rate_interval(15, 15) == 60
    assert rate_interval(300, 15) == 315


def test_every_variable_is_filled_in() -> None:
    assert expand('x{a=~"$model"}[$__rate_interval]', {"model": ".*", "__rate_interval": "60s"}) == 'x{a=~".*"}[60s]'
    assert expand("${model}2", {"model": "m"}) == "m2"
    with pytest.raises(KeyError, match="other"):
        expand("$other", {})


def test_a_legend_takes_its_labels() -> None:
    assert legend("{{model}} {{ version }}", {"model": "m", "version": "1"}) == "m 1"
    assert legend("", {"b": "2", "a": "1"}) == '{a="1", b="2"}'


def test_overrides_by_name_win_over_those_by_query() -> None:
    def override(matcher: str, name: str, colour: str) -> dict[str, object]:
        return {"matcher": {"id": matcher, "options": name}, "properties": [{"id": "color", "value": colour}]}

    panel = {"fieldConfig": {"overrides": [override("byFrameRefID", "A", "red"), override("byName", "OK", "green")]}}
    series = Series({}, ((0, 1),))
    assert look(panel, Answer("OK", "A", series)) == {"color": "green"}
    assert look(panel, Answer("INTERNAL", "A", series)) == {"color": "red"}
    assert look(panel, Answer("INTERNAL", "B", series)) == {}


def test_thresholds_colour_from_their_value_on() -> None:
    steps = [{"value": None, "color": "green"}, {"value": 1, "color": "orange"}, {"value": 5, "color": "red"}]
    assert [colours.at(value, steps) for value in (0, 1, 4.9, 5)] == ["green", "orange", "orange", "red"]


def test_missing_points_break_a_line() -> None:
    answer = Answer("", "A", Series({}, ((0, 1), (1, 2), (5, 3), (6, 4))))
    times, values = charts.with_gaps(answer)
    assert times.tolist() == [0, 1, 1.001, 5, 6]
    assert [value for value in values if value == value] == [1, 2, 3, 4]
    assert values[2] != values[2]
