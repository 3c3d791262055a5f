"""Plays the phases of a scenario on a clock, and says when each counts."""

from vitscope.loadtest.judge import Measured, Run
from vitscope.loadtest.scenarios import Course, Phase
from vitscope.loadtest.tally import SLOT

# A load that never comes to be, as when a worker is lost, is measured as it is after this many seconds.
_PATIENCE = 15.0


class Conductor:
    """rest: seconds after which every answer to what was sent is known.

    A phase counts from when all its users run. Times are in seconds since the epoch.
    """

    def __init__(self, course: Course, run: Run, rest: float) -> None:
        self._course, self._run, self._rest = course, run, rest
        self._phase: Phase | None = next(course)
        self._entered = 0.0
        self._measured: Measured | None = None
        self._rested_until = 0.0

    @property
    def phase(self) -> Phase | None:
        """The present one, or None after the last."""
        return self._phase

    def tick(self, now: float, running: int) -> int | None:
        """How many users there should be, of which `running` do; None when all is over."""
        while (phase := self._phase) is not None:
            self._entered = self._entered or now
            if self._measured is None:
                if running != phase.load and now < self._entered + _PATIENCE:
                    return phase.load
                self._measured = _measured(phase, now)
                self._run.measured.append(self._measured)
            if now < self._measured.end * SLOT:
                return phase.load
            self._rested_until = self._measured.end * SLOT + self._rest
            if phase.judged and now < self._rested_until:
                return 0
            self._phase = self._following(phase, self._measured)
            self._entered, self._measured = now, None
        return 0 if now < self._rested_until else None

    def cut(self, now: float) -> None:
        """The run ends here, whatever was planned. A phase that was to be judged is forgotten: its answers are not all there."""
        if self._measured is not None and self._measured.phase.judged:
            self._run.measured.remove(self._measured)
        elif self._measured is not None:
            self._measured.end = max(min(self._measured.end, int(now / SLOT)), self._measured.begin)
        self._phase, self._rested_until = None, now

    def _following(self, phase: Phase, measured: Measured) -> Phase | None:
        try:
            return self._course.send(self._run.held(measured)) if phase.judged else next(self._course)
        except StopIteration:
            return None


def _measured(phase: Phase, now: float) -> Measured:
    begin = int(now / SLOT) + 1
    return Measured(phase, begin, begin + max(round(phase.seconds / SLOT), 1))
