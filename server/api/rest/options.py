"""What stands in the query or the header of any request: its deadline, and how values of maps are written."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from vitscope.server.answer.deadline import Deadline
from vitscope.server.api.rest.replies import Values
from vitscope.server.api.rest.values import quoted
from vitscope.server.errors import InvalidRequest

TIMEOUT_HEADER = "X-Request-Timeout"
LONGEST = 86_400.0


@dataclass(slots=True)
class Options:
    """What is asked of the transport. fields: the rest of the query, which is about the request itself."""

    deadline: Deadline
    values: Values = "base64"
    fields: list[tuple[str, str | bytes]] = field(default_factory=list)


def read_options(query: Iterable[tuple[str, str]], headers: Mapping[str, str]) -> Options:
    """Return the options of a request that has just arrived. Raises InvalidRequest."""
    seconds = None if (header := headers.get(TIMEOUT_HEADER)) is None else _seconds(TIMEOUT_HEADER, header)
    values: Any = "base64"
    rest: list[tuple[str, str | bytes]] = []
    for name, value in query:
        if name == "timeout":
            seconds = min(_seconds(name, value), math.inf if seconds is None else seconds)
        elif name == "values":
            if value not in get_args(Values):
                raise InvalidRequest(name, quoted(value), " or ".join(get_args(Values)))
            values = value
        else:
            rest.append((name, value))
    return Options(Deadline.within(seconds), values, rest)


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST:
        raise InvalidRequest(name, quoted(text), f"seconds, above 0 and up to {LONGEST:,.0f}")
    return seconds
