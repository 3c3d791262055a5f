"""The deadline of the RPC that the running task answers: made once, around the method (rpcs.py), and asked by all."""

from contextvars import ContextVar
from typing import Any

from vitscope.server.answer.deadline import Deadline

_current: ContextVar[Deadline] = ContextVar("deadline")


def begin(context: Any) -> Deadline:
    """Make and keep the deadline of the RPC with this gRPC context."""
    deadline = Deadline.within(context.time_remaining())
    _current.set(deadline)
    return deadline


def current() -> Deadline:
    """Return what `begin` has made in this task. Raises LookupError where it has not been called."""
    return _current.get()
