"""Figures of a run by phase, and whether they meet the objectives."""

from dataclasses import asdict, dataclass, field
from typing import Any

from vitscope.loadtest.objectives import OBJECTIVES, Bars
from vitscope.loadtest.scenarios import ALL, Phase
from vitscope.loadtest.tally import SLOT, Tally


@dataclass
class Measured:
    """One phase and its counts. begin, end: the slots that count, `end` excluded."""

    phase: Phase
    begin: int
    end: int
    tally: Tally = field(default_factory=Tally)

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) * SLOT

    def figures(self) -> dict[str, Any]:
        return {"phase": self.phase.name, "load": self.phase.load, **figures(self.tally, self.seconds)}


@dataclass(frozen=True)
class Verdict:
    """The result of one objective. measured: None where there was nothing to measure, which fails the objective."""

    phase: str
    objective: str
    bar: float
    measured: float | None
    passed: bool


def figures(tally: Tally, seconds: float) -> dict[str, Any]:
    """Return times in ms (of answered requests unless named otherwise), rates per second, ratios to requests sent."""
    return {
        "seconds": round(seconds, 1),
        "sent": tally.total,
        "rate": _ratio(tally.total, seconds),
        "goodput": _ratio(tally.in_time, seconds),
        "goodput_ratio": _ratio(tally.in_time, tally.total),
        "p50_ms": _milliseconds(tally.answered.percentile(50)),
        "p95_ms": _milliseconds(tally.answered.percentile(95)),
        "p99_ms": _milliseconds(tally.answered.percentile(99)),
        "error_ratio": _ratio(tally.errors, tally.total),
        "refusal_ratio": _ratio(tally.refusals, tally.total),
        "refusal_p99_ms": _milliseconds(tally.refused.percentile(99)),
        "pushback_p50_ms": _milliseconds(tally.pushback.percentile(50)),
        "lag_p99_ms": _milliseconds(tally.lag.percentile(99)),
        "codes": dict(tally.codes),
    }


def judge(phase: str, found: dict[str, Any], bars: dict[str, float]) -> list[Verdict]:
    """Return a verdict for each bar."""
    verdicts = []
    for name, bar in bars.items():
        measured = found[name]
        # Where nothing was refused, no refusal was slow.
        passed = name == "refusal_p99_ms" and not found["refusal_ratio"] and found["sent"] > 0
        if measured is not None:
            passed = measured <= bar if OBJECTIVES[name].at_most else measured >= bar
        verdicts.append(Verdict(phase, name, bar, measured, passed))
    return verdicts


@dataclass
class Run:
    """The phases of a run so far."""

    scenario: str
    unit: str
    bars: Bars
    measured: list[Measured] = field(default_factory=list)

    def count(self, slot: int, tally: Tally) -> None:
        """Add the requests of a slot to the phase that the slot belongs to. Slots between phases do not count."""
        for one in self.measured:
            if one.begin <= slot < one.end:
                one.tally.merge(tally)

    def meets_step(self, step: Measured) -> bool:
        """Return whether a phase meets the `step` objectives of a ramp."""
        return all(verdict.passed for verdict in judge("step", step.figures(), self.bars.get("step", {})))

    def knee(self) -> Measured | None:
        """Return the step of the largest load at which the objectives were met."""
        return max((one for one in self.measured if self.meets_step(one)), key=lambda one: one.phase.load, default=None)

    def summary(self) -> dict[str, Any]:
        """Return figures and verdicts as plain values, for JSON."""
        phases = [one.figures() for one in self.measured]
        by_name = {one["phase"]: one for one in phases} | {ALL: self._all()}
        knee = self.knee()
        if self.scenario == "ramp":
            step = knee or min(self.measured, key=lambda one: one.phase.load, default=None)
            by_name = {"step": step.figures() if step else _NOTHING, "knee": knee.figures() if knee else _NOTHING}
        verdicts = [
            verdict for phase, bars in self.bars.items() for verdict in judge(phase, by_name.get(phase, _NOTHING), bars)
        ]
        return {
            "scenario": self.scenario,
            "unit": self.unit,
            "passed": all(verdict.passed for verdict in verdicts),
            "knee": knee.phase.load if knee and self.scenario == "ramp" else None,
            "lag_p99_ms": by_name["step" if self.scenario == "ramp" else ALL]["lag_p99_ms"],
            "codes": self._all()["codes"],
            "verdicts": [asdict(verdict) for verdict in verdicts],
            "phases": phases,
        }

    def _all(self) -> dict[str, Any]:
        tally, seconds = Tally(), 0.0
        for one in self.measured:
            tally.merge(one.tally)
            seconds += one.seconds
        return figures(tally, seconds)


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 5) if whole else None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


_NOTHING = figures(Tally(), 0)
