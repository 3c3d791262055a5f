import os
from pathlib import Path

import pytest

from vitscope.cpus import cpu_share
from vitscope.server.host.cpu import available_cpus, plan_threads

AFFINITY = len(os.sched_getaffinity(0))


def test_without_a_quota_the_affinity_mask_counts(tmp_path: Path) -> None:
    assert cpu_share(tmp_path)[0] == AFFINITY
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert cpu_share(tmp_path)[0] == AFFINITY


@pytest.mark.parametrize(("limit", "cpus"), [("50000 100000", 0.5), ("100000 100000", 1), ("1000 100000", 0.01)])
def test_a_quota_of_cgroup_v2_counts_where_it_is_less(tmp_path: Path, limit: str, cpus: float) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    found, reason = cpu_share(tmp_path)
    assert found == cpus
    assert (found == AFFINITY) or "cgroup quota" in reason


def test_a_quota_of_cgroup_v1_counts_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("100000")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert cpu_share(tmp_path)[0] == 1
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1")
    assert cpu_share(tmp_path)[0] == AFFINITY


def test_the_settings_numbers_win() -> None:
    plan = plan_threads(3, 0)
    assert (plan.engine, plan.decode) == (3, available_cpus())
