"""How the load goes over time: phases, and the search for the knee. Pure arithmetic, no clock."""

from collections.abc import Generator
from dataclasses import dataclass

ALL = "all"

# The search for the knee ends when the largest load that holds and the smallest that does not are this close.
_CLOSE = 1.1
_SPIKE, _OVERLOAD = 4, 2


@dataclass(frozen=True)
class Scenario:
    """phases: those that objectives may be set for, beside "all". seconds: how long it takes unless told."""

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
    """A constant load. load: requests a second or clients. seconds: how long it counts. judged: the load rests after it until
    every answer is there, because what comes next depends on it."""

    name: str
    load: int
    seconds: float
    judged: bool = False


# Yields phases; after a judged one it is sent whether the objectives held.
Course = Generator[Phase, bool, None]


def course(scenario: str, load: int, seconds: float, step: float) -> Course:
    """The phases of a scenario whose load is `load`, in `seconds` altogether; `step` is of each phase of a ramp."""
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
    """From `start` the load doubles until the objectives fail, or is halved until they hold; then the gap is bisected."""
    held, failed, load = 0, 0, start
    for _ in range(max(int(seconds / step), 1)):
        if (yield Phase("step", load, step, judged=True)):
            held = max(held, load)
        else:
            failed = min(failed or load, load)
        if not failed:
            load = held * 2
        elif not held:
            load = failed // 2
        elif failed > held * _CLOSE:
            load = round((held * failed) ** 0.5)
        else:
            return
        if load in (0, held, failed):
            return
