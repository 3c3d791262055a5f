"""The deadline of the RPC that the current task answers. rpcs.py makes it once, before the method is called."""

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
    """Return the deadline that `begin` made in this task. Raises LookupError without one."""
    return _current.get()
