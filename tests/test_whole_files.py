"""Files on disk: whole, or as they were before."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vitscope.whole_files import write_whole


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let files have so many bytes, as on a disk that is nearly full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("before", [None, b"earlier"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "map.png"
    if before is not None:
        path.write_bytes(before)
    with room_for(10), pytest.raises(OSError, match="File too large") as error:
        write_whole(path, bytes(100))
    assert error.value.filename == str(path)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == ([] if before is None else [before])


def test_links_are_followed_and_pipes_written_to(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "file.png")
    write_whole(tmp_path / "link.png", b"one")
    assert (tmp_path / "link.png").is_symlink() and (tmp_path / "file.png").read_bytes() == b"one"
    os.mkfifo(pipe := tmp_path / "pipe.png")
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, b"two")
    assert os.read(reading, 10) == b"two"
    os.close(reading)
