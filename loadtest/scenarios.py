"""Scenarios as phases of constant load, and the search for the knee. Pure arithmetic without a clock."""

from collections.abc import Generator
from dataclasses import dataclass

ALL = "all"

# The search for the knee ends when the smallest load that fails is within this factor of the largest that passes.
_CLOSE = 1.1
_SPIKE, _OVERLOAD = 4, 2


@dataclass(frozen=True)
class Scenario:
    """phases: the names that objectives can be set for. seconds: the default duration."""

    phases: tuple[str, ...]
    seconds: float


SCENARIOS = {
    "constant": Scenario((ALL,), 30),
    "ramp": Scenario(("step", "knee"), 120),
    "soak": Scenario((ALL, "first", "middle", "last"), 1800),
    "spike": Scenario((ALL, "before", "spike", "after"), 60),
    "overload": Scenario((ALL, "before", "overload", "after"), 60),
}


@dataclass(frozen=True)
class Phase:
    """A constant load.

    load: requests per second, or clients. seconds: how long it counts. judged: no load is sent after it until every
    reply is there, because the next phase depends on its result.
    """

    name: str
    load: int
    seconds: float
    judged: bool = False


# Yields phases. After a judged one it is sent whether the objectives were met.
Course = Generator[Phase, bool, None]


def course(scenario: str, load: int, seconds: float, step: float) -> Course:
    """Return the phases of a scenario of `seconds` in total. load: its base load. step: seconds per phase of a ramp."""
    match scenario:
        case "ramp":
            return _ramp(load, seconds, step)
        case "soak":
            phases = [("first", 1, 0.1), ("middle", 1, 0.8), ("last", 1, 0.1)]
        case "spike":
            phases = [("before", 1, 0.4), ("spike", _SPIKE, 0.2), ("after", 1, 0.4)]
        case "overload":
            phases = [("before", 1, 0.2), ("overload", _OVERLOAD, 0.6), ("after", 1, 0.2)]
        case _:
            phases = [("steady", 1, 1.0)]
    return _fixed([Phase(name, load * times, seconds * share) for name, times, share in phases])


def _fixed(phases: list[Phase]) -> Course:
    yield from phases


def _ramp(start: int, seconds: float, step: float) -> Course:
    """Double the load until the objectives fail, or halve it until they are met; then bisect the gap, in ratios."""
    passed, failed, load = 0, 0, start
    for _ in range(max(int(seconds / step), 1)):
        if (yield Phase("step", load, step, judged=True)):
            passed = max(passed, load)
        else:
            failed = min(failed or load, load)
        if not failed:
            load = passed * 2
        elif not passed:
            load = failed // 2
        elif failed > passed * _CLOSE:
            load = round((passed * failed) ** 0.5)
        else:
            return
        if load in (0, passed, failed):
            return
