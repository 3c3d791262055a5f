"""The deadline of a call, and when the call counts as late."""

import math
import time

NO_DEADLINE = math.inf

# The caller's clock starts when it sends the request, ours when the request arrives. So the cancellation at the
# caller's deadline arrives before our deadline, by the time that the request took to get here. For a large photo that
# is long.
_ON_THE_WAY = 0.1


class Deadline:
    """The deadline of one call. Everything that counts or answers the call uses the same object.

    received, at: monotonic seconds. `at` is infinite for a caller without a deadline.
    """

    __slots__ = ("_missed", "at", "received")

    def __init__(self, received: float, at: float = NO_DEADLINE) -> None:
        self.received, self.at = received, at
        self._missed: bool | None = None

    @classmethod
    def within(cls, seconds: float | None) -> "Deadline":
        """Return the deadline of a call that has just arrived with `seconds` left; None for no deadline."""
        now = time.monotonic()
        return cls(now, NO_DEADLINE if seconds is None else now + seconds)

    def missed(self, now: float) -> bool:
        """Return True if a call that was cancelled at `now` reached its deadline, False if the caller gave up.

        True in the last tenth of the time given, because the cancellation arrives at most that much too early. The
        first result is kept, so that all metrics agree about one call.
        """
        if self._missed is None:
            self._missed = self.at != NO_DEADLINE and now >= self.at - _ON_THE_WAY * (self.at - self.received)
        return self._missed

    def share_used(self, since: float, seconds: float) -> float | None:
        """Return `seconds` as a share of the time from `since` to the deadline; None without a deadline."""
        if self.at == NO_DEADLINE:
            return None
        given = self.at - since
        return seconds / given if given > 0 else 1.0
