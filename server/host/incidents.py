"""Failures whose details are for the operator alone: the log has them under an id, and callers are told the id."""

import secrets

import structlog

log = structlog.get_logger()

# Engines quote their own sources, and list what they tried.
_LONGEST = 500


def new_id() -> str:
    return secrets.token_hex(6)


def see_log(what: str, error_id: str) -> str:
    """Return what callers are told of a failure."""
    return f"{what}, error {error_id}; the server's log has the details under this id"


def report(event: str, reason: object, **fields: object) -> str:
    """Log a failure as one short line under a new id. Return the id."""
    error_id = new_id()
    log.error(event, error_id=error_id, reason=one_line(reason), **fields)
    return error_id


def one_line(reason: object) -> str:
    """Return a text, or an error as its type and text, on one line of at most some hundred characters."""
    text = f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
