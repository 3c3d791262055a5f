"""What libraries write to standard error and standard output by themselves, as events of the log.

libtiff, gRPC's core, ONNX Runtime and OpenVINO write plain lines, often because of what a caller sent. Where JSON is
asked for, every line has to be JSON: both descriptors become pipes, and a thread reads each.
"""

import faulthandler
import os
import threading
import time
from collections.abc import Callable
from typing import TextIO

Report = Callable[[str, str], None]

_LONGEST = 2000
# A file with a hundred thousand faults must not fill the disk. Lines beyond so many in a second are counted.
_MOST_PER_SECOND = 20


class Diverted:
    """A descriptor whose lines go to `report(name, line)`. output: where they went before, for the log itself.

    What the process writes when it crashes goes there too: no thread of its own could report it any more. Raises
    OSError for a descriptor that is closed.
    """

    def __init__(self, descriptor: int, report: Report) -> None:
        self._descriptor = descriptor
        before = os.dup(descriptor)
        self.output: TextIO = os.fdopen(before, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
        reading, writing = os.pipe()
        os.dup2(writing, descriptor)
        os.close(writing)
        name = {1: "stdout", 2: "stderr"}.get(descriptor, str(descriptor))
        if descriptor == 2:
            faulthandler.enable(before)
        self._reader = threading.Thread(target=_read, args=(reading, name, report), name=f"log-{name}", daemon=True)
        self._reader.start()

    def restore(self) -> None:
        """Let the descriptor be what it was, and wait until what was written to it has been reported."""
        os.dup2(self.output.fileno(), self._descriptor)
        self._reader.join(timeout=1)  # a child that has inherited the descriptor may keep it open


def _read(descriptor: int, name: str, report: Report) -> None:
    second, lines, left_out = 0, 0, 0
    with os.fdopen(descriptor, encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        while line := file.readline(_LONGEST):
            if not line.strip():
                continue
            now = int(time.monotonic())
            if now != second:
                if left_out:
                    report(name, f"{left_out} more lines")
                second, lines, left_out = now, 0, 0
            lines += 1
            if lines > _MOST_PER_SECOND:
                left_out += 1
            else:
                report(name, line.rstrip())
