"""Phases of the scenarios, and the search for the knee."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitscope.loadtest.scenarios import SCENARIOS, Phase, course


def fixed(scenario: str) -> list[tuple[str, int, float]]:
    return [(phase.name, phase.load, phase.seconds) for phase in course(scenario, 10, 100, 5)]


def test_fixed_scenarios() -> None:
    assert fixed("constant") == [("steady", 10, 100)]
    assert fixed("soak") == [("first", 10, 10), ("middle", 10, 80), ("last", 10, 10)]
    assert fixed("spike") == [("before", 10, 40), ("spike", 40, 20), ("after", 10, 40)]
    assert fixed("overload") == [("before", 10, 20), ("overload", 20, 60), ("after", 10, 20)]


@pytest.mark.parametrize("scenario", ["soak", "spike", "overload"])
def test_objectives_can_be_set_for_every_phase(scenario: str) -> None:
    assert {name for name, _, _ in fixed(scenario)} <= set(SCENARIOS[scenario].phases)


def ramp(capacity: float, start: int, steps: int = 100) -> list[Phase]:
    """Return the steps against a server that meets the objectives up to `capacity`."""
    phases = course("ramp", start, steps * 5.0, 5.0)
    played = [next(phases)]
    try:
        while True:
            played.append(phases.send(played[-1].load <= capacity))
    except StopIteration:
        return played


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_the_ramp_finds_the_knee_from_below_and_from_above(capacity: int, start: int) -> None:
    played = ramp(capacity, start)
    passed = [phase.load for phase in played if phase.load <= capacity]
    assert passed
    # Within a tenth, or the next whole number, and never the same load twice.
    assert capacity < max(max(passed) * 1.1 + 1, max(passed) + 1)
    assert len({phase.load for phase in played}) == len(played) <= 24


def test_a_ramp_ends_when_not_even_one_request_a_second_holds() -> None:
    assert [phase.load for phase in ramp(0, 8)] == [8, 4, 2, 1]


def test_a_ramp_ends_when_its_time_is_up() -> None:
    assert [phase.load for phase in ramp(10**6, 10, steps=3)] == [10, 20, 40]
