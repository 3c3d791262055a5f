"""The memory of the machine, the limits of control groups, and the memory of this process."""

import mmap
from pathlib import Path

import pytest

from vitscope.server.host.memory import available_memory, give_back, keep_freed_memory, resident_bytes


@pytest.fixture
def own(tmp_path: Path) -> Path:
    file = tmp_path / "own"
    file.write_text("0::/slice/job\n4:memory:/slice/job\n")
    return file


@pytest.mark.parametrize(
    "name", ["memory.max", "slice/memory.max", "slice/job/memory.max", "memory/slice/memory.limit_in_bytes"]
)
def test_a_limit_of_either_version_counts_wherever_it_is_set(tmp_path: Path, own: Path, name: str) -> None:
    for folder in ("slice/job", "memory/slice/job"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "slice/job/memory.max").write_text("max\n")
    (tmp_path / name).write_text(f"{300 * 2**20}\n")
    assert available_memory(tmp_path, own) == 300 * 2**20


@pytest.mark.parametrize("text", ["max\n", f"{2**62}\n", ""])
def test_without_a_limit_it_is_the_machine(tmp_path: Path, own: Path, text: str) -> None:
    (tmp_path / "memory.max").write_text(text)
    assert 2**28 < available_memory(tmp_path, own) < 2**60


def test_the_memory_of_this_process_is_seen_to_grow() -> None:
    before = resident_bytes()
    with mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as grown:
        grown.write(b"\1" * len(grown))
        assert resident_bytes() - before > 48 * 2**20


def test_memory_is_kept_and_given_back() -> None:
    keep_freed_memory()
    give_back()
    assert resident_bytes() > 0
