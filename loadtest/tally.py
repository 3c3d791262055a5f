"""Counts of request outcomes, in a form that can be added up over processes."""

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

OK, REFUSED, LATE = "OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"

# Bins are 1 % wide, so that percentiles are right within 1 % at any scale.
_WIDTH = math.log(1.01)
_LEAST = 1e-5  # seconds

# Seconds; short enough to cut a phase out of a run, long enough that a report holds few slots.
SLOT = 0.1

# Slots count from the epoch, which machines share, but by a monotonic clock.
_EPOCH = time.time() - time.perf_counter()


@dataclass(frozen=True)
class Outcome:
    """The outcome of one request.

    code: name of the gRPC status. seconds: from the intended start to the reply. lag: from the intended start to the
    actual one. in_time: answered OK within the deadline. pushback: seconds until a retry, as given by a server that
    refused. message: error text of the server. size: bytes of the reply.
    """

    code: str
    seconds: float
    lag: float = 0.0
    in_time: bool = False
    pushback: float | None = None
    message: str = ""
    size: int = 0


class Times:
    """A histogram of durations in seconds."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._bins[int(math.log(max(seconds, _LEAST) / _LEAST) / _WIDTH)] += 1

    def merge(self, other: "Times") -> None:
        self._bins.update(other._bins)

    def percentile(self, percent: float) -> float | None:
        """Return seconds, by the nearest rank; None when nothing was counted."""
        rank = max(math.ceil(self._bins.total() * percent / 100), 1)
        for at in sorted(self._bins):
            rank -= self._bins[at]
            if rank <= 0:
                return _LEAST * math.exp((at + 0.5) * _WIDTH)
        return None

    def dump(self) -> dict[int, int]:
        return dict(self._bins)

    @classmethod
    def load(cls, bins: dict[int, int]) -> "Times":
        times = cls()
        times._bins.update(bins)
        return times


@dataclass
class Tally:
    """Sums over requests. answered: times of OK replies; refused: of refusals."""

    codes: Counter[str] = field(default_factory=Counter)
    in_time: int = 0
    answered: Times = field(default_factory=Times)
    refused: Times = field(default_factory=Times)
    pushback: Times = field(default_factory=Times)
    lag: Times = field(default_factory=Times)

    def add(self, outcome: Outcome) -> None:
        self.codes[outcome.code] += 1
        self.in_time += outcome.in_time
        self.lag.add(outcome.lag)
        if outcome.code == OK:
            self.answered.add(outcome.seconds)
        elif outcome.code == REFUSED:
            self.refused.add(outcome.seconds)
            if outcome.pushback is not None:
                self.pushback.add(outcome.pushback)

    def merge(self, other: "Tally") -> None:
        self.codes.update(other.codes)
        self.in_time += other.in_time
        for name in ("answered", "refused", "pushback", "lag"):
            getattr(self, name).merge(getattr(other, name))

    @property
    def total(self) -> int:
        return self.codes.total()

    @property
    def refusals(self) -> int:
        return self.codes[REFUSED]

    @property
    def errors(self) -> int:
        """How many were neither answered nor refused."""
        return self.total - self.codes[OK] - self.refusals

    def dump(self) -> dict[str, Any]:
        """Return plain values, for the messages of Locust's workers."""
        times = {name: getattr(self, name).dump() for name in ("answered", "refused", "pushback", "lag")}
        return {"codes": dict(self.codes), "in_time": self.in_time, **times}

    @classmethod
    def load(cls, values: dict[str, Any]) -> "Tally":
        times = {name: Times.load(values[name]) for name in ("answered", "refused", "pushback", "lag")}
        return cls(Counter(values["codes"]), values["in_time"], **times)


class Recorder:
    """The tallies of one process by slot of intended start, since they were last taken. requests: ended so far."""

    def __init__(self) -> None:
        self.in_flight, self.requests = 0, 0
        self._slots: dict[int, Tally] = {}

    def record(self, intended: float, outcome: Outcome) -> None:
        """Count the outcome of a request. intended: when it was due, of time.perf_counter()."""
        self.requests += 1
        self._slots.setdefault(slot_of(intended), Tally()).add(outcome)

    def take(self) -> dict[int, Tally]:
        taken, self._slots = self._slots, {}
        return taken


def now() -> float:
    """Return seconds since the epoch, by a monotonic clock."""
    return _EPOCH + time.perf_counter()


def slot_of(intended: float) -> int:
    """Return the slot of a time of time.perf_counter(), counted from the epoch."""
    return int((_EPOCH + intended) / SLOT)
