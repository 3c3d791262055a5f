"""Standard output and error: full disks, closed pipes, encodings, and text that must not take control of a terminal."""

import codecs
import io
import json
import os
import sys
from typing import Any

# What the tables draw with, for terminals that cannot show it.
_PLAIN = {"×": "x", "·": "-", "…": "...", **dict.fromkeys("█▉▊▋▌", "#"), **dict.fromkeys("▍▎▏", " ")}


class OutputError(Exception):
    """Standard output cannot be written, as when a disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output could not be written: {error.strerror or error}")


def never_fail_to_encode() -> None:
    """From now on standard output and error replace what their encoding lacks instead of raising UnicodeEncodeError."""
    codecs.register_error("vitscope", _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="vitscope")


def flush() -> None:
    """Write what is buffered for standard output. Raises BrokenPipeError or OutputError."""
    if sys.stdout is None:  # closed before the start, as with `>&-`
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error) from error


def discard_output() -> None:
    """Python flushes stdout once more at exit, and would complain again about one that cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(command: str, message: str) -> None:
    """Say on standard error why a command did not work; `message` may have several lines."""
    print(f"vitscope {command}: " + "\n".join(map(printable, message.split("\n"))), file=sys.stderr)


def printable(text: str) -> str:
    """The same with control characters, and undecodable bytes of file names, written as Python escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def json_text(record: dict[str, Any]) -> str:
    """One line of JSON, in ASCII where standard output or a terminal could not take it otherwise."""
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(record)
    return text if text.isprintable() else json.dumps(record)


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end
