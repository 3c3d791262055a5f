"""Signals while there is nothing to drain: before the server listens, and when it is asked to end a second time."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def ended_at_once() -> Iterator[None]:
    """End the process at once at TERM, with code 0, and at INT, with 130, until something else handles them.

    The first process of a container has to handle TERM itself: the kernel drops a signal that would have its default
    effect there. So this comes before the imports, which take some seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {number: found for number in _ENDING if (found := signal.getsignal(number)) in usual}
    for number in before:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def kill_at_next() -> None:
    """Let the next TERM or INT end the process at once, its default effect; also in a container's first process,
    where it would have none."""
    for number in _ENDING:
        signal.signal(number, _kill if os.getpid() == 1 else signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    """Exit without waiting for threads or imports: nothing has been promised to anybody yet."""
    os._exit(0 if number == signal.SIGTERM else 128 + number)


def _kill(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
