"""The log where nothing can be written: a full disk, a closed descriptor, a reader that has gone."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from structlog.testing import capture_logs

from vitscope.server.host.log_output import LogOutput


@pytest.fixture
def log(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "log").open("w") as file:
        yield file


def put(source: str | int, log: TextIO) -> None:
    """Let the descriptor of the log be another file, as if the disk below it had become full, or had room again."""
    descriptor = os.open(source, os.O_WRONLY) if isinstance(source, str) else os.dup(source)
    os.dup2(descriptor, log.fileno())
    os.close(descriptor)


def test_lines_on_a_full_disk_are_lost_counted_and_told_of_when_there_is_room(log: TextIO, tmp_path: Path) -> None:
    output, disk = LogOutput(log), os.dup(log.fileno())
    output.write("before\n")
    put("/dev/full", log)
    with capture_logs() as told:
        assert output.write("lost\n") == 5
        output.write("too\n")
        assert told == []
        put(disk, log)
        output.write("after\n")
    (event,) = told
    assert (event["event"], event["lines"]) == ("lines of the log were lost", 2)
    assert event["reason"] == "No space left on device"
    assert (tmp_path / "log").read_text() == "before\nafter\n"
    os.close(disk)


def test_a_line_that_the_disk_had_no_room_for_does_not_run_into_the_next(log: TextIO, tmp_path: Path) -> None:
    output, limits = LogOutput(log), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (7, limits[1]))
    try:
        output.write("0123456789\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    output.write("after\n")
    assert (tmp_path / "log").read_text() == "0123456\nafter\n"


def test_no_stream_a_closed_one_and_a_pipe_that_nobody_reads_are_no_errors(log: TextIO) -> None:
    LogOutput(None).write("nowhere\n")
    closed = LogOutput(log)
    log.close()
    closed.write("nowhere\n")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        LogOutput(pipe).write("nowhere\n")


def test_descriptors_that_were_closed_are_not_given_to_other_files() -> None:
    """What libraries print would be written into them."""
    script = (
        "import os\nfrom vitscope.server.host.descriptors import fill_standard_descriptors\n"
        "os.close(2); os.close(1)\nfill_standard_descriptors()\n"
        "assert os.readlink('/proc/self/fd/1') == os.readlink('/proc/self/fd/2') == os.devnull\n"
        "assert os.open('/', os.O_RDONLY) > 2 and os.get_inheritable(2)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
