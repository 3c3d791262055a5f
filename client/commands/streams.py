"""Standard output and error: full disks, closed pipes, encodings and control characters."""

import codecs
import io
import json
import os
import sys
from typing import Any

# ASCII replacements for the characters that tables are drawn with.
_PLAIN = {"×": "x", "·": "-", "…": "...", **dict.fromkeys("█▉▊▋▌", "#"), **dict.fromkeys("▍▎▏", " ")}


class OutputError(Exception):
    """Standard output cannot be written, for example because a disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output could not be written: {error.strerror or error}")


def never_fail_to_encode() -> None:
    """Make standard output and error replace what their encoding lacks instead of raising UnicodeEncodeError."""
    codecs.register_error("vitscope", _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="vitscope")


def flush() -> None:
    """Flush standard output. Raises BrokenPipeError or OutputError."""
    if sys.stdout is None:  # closed before the start, for example with `>&-`
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error) from error


def discard_output() -> None:
    """Redirect standard output to nowhere, because Python flushes it at exit and would report the failure again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(command: str, message: str) -> None:
    """Report on standard error why a command failed; `message` may have several lines."""
    print(f"vitscope {command}: " + "\n".join(map(printable, message.split("\n"))), file=sys.stderr)


def printable(text: str) -> str:
    """Return the text with control characters and undecodable bytes of file names written as Python escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def json_text(record: dict[str, Any]) -> str:
    """Return one line of JSON, in ASCII when standard output cannot encode it or it is not printable."""
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(record)
    return text if text.isprintable() else json.dumps(record)


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end
