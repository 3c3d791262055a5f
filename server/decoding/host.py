"""One image decoded in a process of its own, seen from the server."""

import math
import signal
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

import structlog

from vitscope.server.decoding.job import Budget, DecodeJob, Failed, unpack_reply
from vitscope.server.decoding.template import Process, Template, kill
from vitscope.server.decoding.wire import receive, send
from vitscope.server.errors import DeadlineExpired, InvalidRequest, NotReady
from vitscope.server.images.prepare import Prepared
from vitscope.server.images.signatures import FIELD, sniff

log = structlog.get_logger()

# Of the budget of processor time: a decoder that waits instead of computing is ended too, also without a deadline.
_WALL = 10
# A reply holds a model's input and a photo of at most 2048 x 2048 pixels.
_MAX_REPLY = 2**28


class Decoders:
    """Decodes images in processes. Thread-safe.

    ended: called with the reason of each decode that was ended: "seconds", "memory", "crashed", "killed", "deadline" or
    "cancelled".
    """

    def __init__(self, budget: Budget, ended: Callable[[str], None] = lambda reason: None) -> None:
        self.budget, self._ended = budget, ended
        self.template = Template()
        self._open: WeakSet[IsolatedDecode] = WeakSet()

    def start(self, job: DecodeJob, deadline: Callable[[], float]) -> "IsolatedDecode":
        """Return the decode of one image, not begun. deadline: returns monotonic seconds, which may be extended.

        On one thread, the same as `close`.
        """
        decode = IsolatedDecode(self.template, self.budget, job, deadline, self._ended)
        self._open.add(decode)
        return decode

    def close(self) -> None:
        """End all processes."""
        for decode in list(self._open):
            decode.cancel()
        self.template.close()


class IsolatedDecode:
    """The decode of one image. `__call__` runs it, on any thread; `cancel` ends it, from any other."""

    def __init__(
        self,
        template: Template,
        budget: Budget,
        job: DecodeJob,
        deadline: Callable[[], float],
        ended: Callable[[str], None],
    ) -> None:
        self._template, self._budget, self._job, self._deadline = template, budget, job, deadline
        self._ended = ended
        self._latest = math.inf
        self._lock = threading.Lock()
        self._running: Process | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """End the process at once, or see that none is started. Does nothing after the end."""
        with self._lock:
            self._cancelled = True
            if self._running is not None:
                kill(self._running.pid)

    def __call__(self) -> Prepared:
        """Decode the image. Raises InvalidRequest, DeadlineExpired, or NotReady if no process can do it now."""
        if self._cancelled:
            raise _left_alone()
        process = self._template.fork()
        reply: list[bytes] | None = None
        try:
            with self._lock:
                self._running = process
                if self._cancelled:
                    raise _left_alone()
            self._latest = time.monotonic() + _WALL * self._budget.seconds
            try:
                send(process.connection, self._job.pack(self._budget), self._left)
                reply = receive(process.connection, _MAX_REPLY, self._left)
            except (EOFError, ConnectionError, ValueError):
                reply = None
        finally:
            with self._lock:
                self._running = None
            code = self._template.end(process)
        if reply is None:
            raise self._explain(code)
        try:
            return unpack_reply(reply)
        except Failed as failure:
            if failure.kind != "memory":
                raise
            raise self._refused("memory", f"needs more than {self._budget.bytes >> 20:,} MiB of memory") from None

    def _left(self) -> float:
        """Return the seconds until the decode has to be ended. Raises its error after that."""
        now = time.monotonic()
        if now >= self._deadline():
            self._ended("deadline")
            raise DeadlineExpired("the deadline passed while the image was decoded; it was not computed")
        if now >= self._latest:
            raise self._too_slow()
        return min(self._deadline(), self._latest) - now

    def _explain(self, code: int) -> Exception:
        """Return the error of a process that ended without a reply."""
        if self._cancelled:
            self._ended("cancelled")
            return _left_alone()
        if code == -signal.SIGPROF:
            return self._too_slow()
        if code == -signal.SIGKILL:
            self._ended("killed")
            log.warning("a decoder was killed from outside, perhaps for memory")
            return NotReady("the process that decoded the image was killed; try again")
        if code < 0:
            log.warning("a decoder crashed", signal=-code, format=sniff(self._job.data), bytes=len(self._job.data))
            return self._refused("crashed", f"makes its decoder crash (signal {-code})")
        return RuntimeError(f"a decoder ended with code {code} and no reply")

    def _too_slow(self) -> InvalidRequest:
        return self._refused("seconds", f"takes more than {self._budget.seconds:g} s of processor time to decode")

    def _refused(self, reason: str, why: str) -> InvalidRequest:
        self._ended(reason)
        accepted = {"seconds": "files that take less", "memory": "files that need less"}
        return InvalidRequest(FIELD, f"a {sniff(self._job.data)} file that {why}", accepted.get(reason, "other files"))


def _left_alone() -> DeadlineExpired:
    return DeadlineExpired("nobody waits for the image any more; it was not computed")
