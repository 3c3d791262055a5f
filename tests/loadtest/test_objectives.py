"""Objectives read from YAML: every document is taken, or refused with a reason."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vitscope.loadtest.objectives import OBJECTIVES, ObjectivesError, load_objectives, parse_objectives
from vitscope.loadtest.options import DEFAULT_OBJECTIVES
from vitscope.loadtest.scenarios import SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_bundled_file_has_bars_for_every_scenario(scenario: str) -> None:
    assert load_objectives(DEFAULT_OBJECTIVES, scenario)


def test_bars_are_numbers_by_scenario_and_phase() -> None:
    assert parse_objectives("constant: {all: {p99_ms: 50, error_ratio: 0}}") == {
        "constant": {"all": {"p99_ms": 50.0, "error_ratio": 0.0}}
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file: nothing; accepted: a mapping of constant"),
        ("- constant", "the file: ['constant']; accepted"),
        ("steady: {all: {p50_ms: 1}}", "the file: 'steady' is not known; accepted: constant, ramp"),
        ("constant:", "constant: nothing; accepted: a mapping of"),
        ("constant: {after: {p50_ms: 1}}", "constant: 'after' is not known; accepted: all"),
        ("constant: {all: 3}", "constant.all: 3; accepted: a mapping of p50_ms"),
        ("constant: {all: {p90_ms: 3}}", "constant.all: 'p90_ms' is not known; accepted: p50_ms, p95_ms"),
        ("constant: {all: {p50_ms: fast}}", "constant.all.p50_ms: 'fast'; accepted: a number from 0"),
        ("constant: {all: {p50_ms: true}}", "constant.all.p50_ms: True; accepted"),
        ("constant: {all: {p50_ms: .inf}}", "constant.all.p50_ms: inf; accepted"),
        ("constant: {all: {p50_ms: .nan}}", "constant.all.p50_ms: nan; accepted"),
        ("constant: {all: {error_ratio: 5}}", "constant.all.error_ratio: 5; accepted: a number from 0 to 1"),
        ("constant: {all: {p50_ms: 1, p50_ms: 2}}", "'p50_ms' is there twice (line 1)"),
        ("constant: {all: {p50_ms: 1}", "not YAML"),
        ("constant: !!python/object:os.system {}", "not YAML"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, said: str) -> None:
    with pytest.raises(ObjectivesError) as error:
        parse_objectives(text)
    assert said in str(error.value)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
names = st.sampled_from([*SCENARIOS, *OBJECTIVES, "all", "step", "before"]) | scalars
documents: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)


@given(documents)
def test_any_document_is_taken_or_refused_with_a_reason(document: Any) -> None:
    _taken_or_refused(yaml.safe_dump(document))


@given(st.text())
def test_any_text_is_taken_or_refused_with_a_reason(text: str) -> None:
    _taken_or_refused(text)


def _taken_or_refused(text: str) -> None:
    try:
        found = parse_objectives(text)
    except ObjectivesError as error:
        assert "\n" not in str(error)
    else:
        for scenario, phases in found.items():
            assert set(phases) <= set(SCENARIOS[scenario].phases)
            assert all(isinstance(bar, float) for bars in phases.values() for bar in bars.values())


def test_a_file_that_is_not_there_or_lacks_the_scenario(tmp_path: Path) -> None:
    with pytest.raises(ObjectivesError, match=r"none\.yml: No such file"):
        load_objectives(tmp_path / "none.yml", "ramp")
    path = tmp_path / "some.yml"
    path.write_text("constant: {all: {p50_ms: 1}}")
    with pytest.raises(ObjectivesError, match="no objectives for the scenario 'ramp', only for: constant"):
        load_objectives(path, "ramp")
    path.write_text("ramp: {knee: {goodput: 1}}")
    with pytest.raises(ObjectivesError, match="ramp: no objectives for 'step', by which the knee is found"):
        load_objectives(path, "ramp")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ObjectivesError, match="UTF-8"):
        load_objectives(path, "ramp")
