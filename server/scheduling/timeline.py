"""When a request passed each stage: measured once, reported in the reply, the metrics and the log."""

import time
from dataclasses import dataclass, field

STAGES = ("receive", "decode", "queue", "batch", "infer", "maps")


@dataclass(slots=True)
class Timeline:
    """Monotonic seconds at which each stage ended, in the order of STAGES. The first stage begins at `received`."""

    received: float = field(default_factory=time.monotonic)
    ends: dict[str, float] = field(default_factory=dict)
    batch_size: int = 0

    def end(self, stage: str, at: float | None = None) -> None:
        """Mark the end of a stage, now or `at`."""
        self.ends[stage] = time.monotonic() if at is None else at

    def adopt(self, other: "Timeline") -> None:
        """Take over the stages from decode to infer of an equal request whose result this one shares.

        A stage that ended before this request was received takes no time here.
        """
        at = self.ends["receive"]
        for stage in STAGES[1:-1]:
            at = self.ends[stage] = max(at, other.ends[stage])
        self.batch_size = other.batch_size

    def durations(self) -> dict[str, float]:
        """Return the seconds of each stage that was reached, and "total" up to the last of them."""
        durations: dict[str, float] = {}
        began = self.received
        for stage in STAGES:
            if stage not in self.ends:
                break
            durations[stage] = self.ends[stage] - began
            began = self.ends[stage]
        return {**durations, "total": began - self.received}
