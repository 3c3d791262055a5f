"""The processor's instruction sets."""

from pathlib import Path

import pytest

from vitscope.server.engines.processor import flags, has_int8, instruction_sets


@pytest.mark.parametrize(
    ("line", "int8"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni sse4_1 rdrand", True),
        ("flags\t\t: fpu avx2 avx512f avx512bw", False),
        ("Features\t: fp asimd i8mm", True),
        ("Features\t: fp asimd", False),
    ],
)
def test_int8_needs_dot_products(tmp_path: Path, line: str, int8: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: any\n{line}\n\nprocessor\t: 1\n")
    assert has_int8(flags(tmp_path / "cpuinfo")) is int8


def test_only_what_kernels_depend_on_is_kept(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("flags : rdrand avx512_vnni fma sse4_1 md_clear amx_int8\n")
    assert instruction_sets(flags(tmp_path / "cpuinfo")) == ("amx_int8", "avx512_vnni", "fma", "sse4_1")


def test_no_list_means_no_features(tmp_path: Path) -> None:
    assert flags(tmp_path / "cpuinfo") == frozenset()
    (tmp_path / "other").write_text("processor : 0\n")
    assert flags(tmp_path / "other") == frozenset()
