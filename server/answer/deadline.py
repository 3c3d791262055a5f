"""When a call is late."""

import math
import time

NO_DEADLINE = math.inf

# The caller's clock started when it sent the request. So the cancellation at its deadline arrives a little before the
# deadline as counted from the arrival here: by as long as the request was on its way, which for a large photo is long.
_ON_THE_WAY = 0.1


class Deadline:
    """Until when the caller of one call waits; everything that counts or answers the call asks the same object.

    received, at: monotonic seconds. `at` is infinite for a caller who waits without bound.
    """

    __slots__ = ("_missed", "at", "received")

    def __init__(self, received: float, at: float = NO_DEADLINE) -> None:
        self.received, self.at = received, at
        self._missed: bool | None = None

    @classmethod
    def within(cls, seconds: float | None) -> "Deadline":
        """Return the deadline of a call that has just come in, with so many seconds left; None waits without bound."""
        now = time.monotonic()
        return cls(now, NO_DEADLINE if seconds is None else now + seconds)

    def missed(self, now: float) -> bool:
        """Return whether a call that was cancelled at `now` had run into its deadline, rather than its caller had given up.

        True in the last tenth of the time given, because the cancellation arrives at most that much too early. The first
        answer stays, so that all who count one call agree about it.
        """
        if self._missed is None:
            self._missed = self.at != NO_DEADLINE and now >= self.at - _ON_THE_WAY * (self.at - self.received)
        return self._missed

    def share_used(self, since: float, seconds: float) -> float | None:
        """Return which share of the time from `since` to the deadline `seconds` are; None without a deadline."""
        if self.at == NO_DEADLINE:
            return None
        given = self.at - since
        return seconds / given if given > 0 else 1.0
