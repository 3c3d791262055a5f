"""The phases of a scenario in time: how many users there should be, and which time counts."""

from vitscope.loadtest.judge import Measured, Run
from vitscope.loadtest.scenarios import Course, Phase
from vitscope.loadtest.tally import SLOT

# Seconds after which a phase counts even if not all its users run, as after the loss of a worker.
_PATIENCE = 15.0


class Conductor:
    """Steps through the phases of a scenario.

    rest: seconds until every request that was sent has ended. A phase counts from when all its users run. Times are in
    seconds since the epoch.
    """

    def __init__(self, course: Course, run: Run, rest: float) -> None:
        self._course, self._run, self._rest = course, run, rest
        self._phase: Phase | None = next(course)
        self._entered = 0.0
        self._measured: Measured | None = None
        self._rested_until = 0.0

    @property
    def phase(self) -> Phase | None:
        """The current phase, or None after the last."""
        return self._phase

    def tick(self, now: float, running: int) -> int | None:
        """Return how many users there should be, or None when the run is over. running: how many there are."""
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
            self._phase = self._next_phase(phase, self._measured)
            self._entered, self._measured = now, None
        return 0 if now < self._rested_until else None

    def stop(self, now: float) -> None:
        """End the run. Shortens the current phase, or drops it if it was to be judged: replies are missing."""
        if self._measured is not None and self._measured.phase.judged:
            self._run.measured.remove(self._measured)
        elif self._measured is not None:
            self._measured.end = max(min(self._measured.end, int(now / SLOT)), self._measured.begin)
        self._phase, self._rested_until = None, now

    def _next_phase(self, phase: Phase, measured: Measured) -> Phase | None:
        try:
            return self._course.send(self._run.meets_step(measured)) if phase.judged else next(self._course)
        except StopIteration:
            return None


def _measured(phase: Phase, now: float) -> Measured:
    begin = int(now / SLOT) + 1
    return Measured(phase, begin, begin + max(round(phase.seconds / SLOT), 1))
