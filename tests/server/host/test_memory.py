"""The memory of the machine, or the limit of the cgroup."""

from pathlib import Path

import pytest

from vitscope.server.host.memory import available_memory


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_limit_of_either_version_counts(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{300 * 2**20}\n")
    assert available_memory(tmp_path) == 300 * 2**20


@pytest.mark.parametrize("text", ["max\n", f"{2**62}\n", ""])
def test_without_a_limit_it_is_the_machine(tmp_path: Path, text: str) -> None:
    (tmp_path / "memory.max").write_text(text)
    assert 2**28 < available_memory(tmp_path) < 2**60
