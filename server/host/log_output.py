"""Where the log is written to. A full disk, a closed descriptor or a reader that has gone is no error of who logs."""

import os
from typing import TextIO

import structlog


class LogOutput:
    """A stream of text, as `logging` and structlog write to one; writes whole lines and never raises OSError.

    Lines that cannot be written are counted, and the next line that can be is followed by how many there were.
    stream: None where standard error is closed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream, self._descriptor = stream, _descriptor_of(stream)
        self._lost, self._reason, self._cut = 0, "", False

    def write(self, text: str) -> int:
        """Write a line, or count it as lost. Returns the number of its characters."""
        try:
            self._write(text)
        except (OSError, ValueError) as error:  # ValueError: a stream that Python has closed
            self._lost += 1
            self._reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        else:
            lost, self._lost = self._lost, 0
            if lost:
                structlog.get_logger().warning("lines of the log were lost", lines=lost, reason=self._reason)
        return len(text)

    def flush(self) -> None:
        """Do nothing: each line is written at once."""

    def _write(self, text: str) -> None:
        if self._descriptor is None:
            if self._stream is not None:
                self._stream.write(text)
                self._stream.flush()
            return
        line = ("\n" * self._cut + text).encode(errors="backslashreplace")
        written = 0
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        finally:
            if written:  # where a disk becomes full within a line, the next one begins a new line
                self._cut = written < len(line)


def _descriptor_of(stream: TextIO | None) -> int | None:
    """Return the file descriptor of a stream; None for one that has none, as that of a test."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None
