"""The limits of the control group of this process, in trees like those that the kernel shows, and in its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vitscope.cgroup import MOUNT, cpu_quota, memory_limit

V2 = "0::/system.slice/vitscope.service\n"
V1 = "9:name=systemd:/x\n5:cpu,cpuacct:/slurm/uid_1/job_7\n4:memory:/other\n"


def quota_of(tmp_path: Path, own: str, **files: str) -> float | None:
    """Return the quota in a tree of these files ("a__b" is a/b), for a process in these groups."""
    for name, content in files.items():
        path = tmp_path / "cgroup" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "own").write_text(own)
    return cpu_quota(tmp_path / "cgroup", tmp_path / "own")


def tree(name: str, content: str) -> dict[str, str]:
    return {f"{name}/cpu.max".replace("/", "__"): content}


def test_the_quota_of_the_process_own_group_counts(tmp_path: Path) -> None:
    """As systemd's CPUQuota= sets it."""
    assert quota_of(tmp_path, V2, **tree("system.slice/vitscope.service", "150000 100000\n")) == 1.5


def test_the_smallest_of_all_levels_counts(tmp_path: Path) -> None:
    files = {
        **tree("system.slice", "50000 100000\n"),
        **tree("system.slice/vitscope.service", "200000 100000\n"),
        **tree("other.slice", "1000 100000\n"),
    }
    assert quota_of(tmp_path, V2, **files) == 0.5


def test_a_level_without_a_quota_is_passed_over(tmp_path: Path) -> None:
    files = {**tree("system.slice", "250000 100000\n"), **tree("system.slice/vitscope.service", "max 100000\n")}
    assert quota_of(tmp_path, V2, **files) == 2.5


def v1(quota: str) -> dict[str, str]:
    folder = "cpu,cpuacct__slurm__uid_1__job_7__"
    return {folder + "cpu.cfs_quota_us": quota, folder + "cpu.cfs_period_us": "50000"}


@pytest.mark.parametrize(("quota", "cpus"), [("75000", 1.5), ("-1", None), ("0", None), ("", None)])
def test_version_1_is_followed_too(tmp_path: Path, quota: str, cpus: float | None) -> None:
    assert quota_of(tmp_path, V1, **v1(quota)) == cpus


def test_in_version_1_the_groups_above_count_too(tmp_path: Path) -> None:
    above = {"cpu,cpuacct__slurm__cpu.cfs_quota_us": "25000", "cpu,cpuacct__slurm__cpu.cfs_period_us": "100000"}
    assert quota_of(tmp_path, V1, **v1("75000"), **above) == 0.25


def test_where_both_versions_are_mounted_the_one_with_the_controller_counts(tmp_path: Path) -> None:
    files = {**v1("75000"), "unified__system.slice__cpu.max": "max 100000"}
    assert quota_of(tmp_path, V1 + "0::/system.slice\n", **files) == 1.5


@pytest.mark.parametrize("own", ["0::/\n", "0::/docker/0123\n", "0::/../../other\n"])
def test_in_a_container_its_own_group_is_the_root_that_it_sees(tmp_path: Path, own: str) -> None:
    assert quota_of(tmp_path, own, **{"cpu.max": "50000 100000"}) == 0.5


@pytest.mark.parametrize("content", ["", "max", "x 100000", "100000 0", "-5 100000"])
def test_what_is_no_quota_is_none(tmp_path: Path, content: str) -> None:
    assert quota_of(tmp_path, "0::/\n", **{"cpu.max": content}) is None


def test_a_machine_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "nothing", tmp_path / "none") is None


@pytest.mark.parametrize("name", [b"job\xff", "d\u00e9j\u00e0 vu:1".encode(), b"a\x0cb"])
def test_a_group_of_any_name_is_found(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / "cgroup" / os.fsdecode(name)
    folder.mkdir(parents=True)
    (folder / "cpu.max").write_text("50000 100000")
    (tmp_path / "own").write_bytes(b"0::/" + name + b"\n")
    assert cpu_quota(tmp_path / "cgroup", tmp_path / "own") == 0.5


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"memory.max": "max", "memory.high": "max"}, None),
        ({"memory.max": "300", "memory.high": "max"}, 300),
        ({"memory.max": "max", "memory.high": "200"}, 200),
        ({"memory.max": "300", "memory.high": "200"}, 200),
        ({"memory.max": "0"}, None),
        ({"memory.max": "lots"}, None),
    ],
)
def test_the_smaller_bound_of_memory_counts(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    (tmp_path / "job").mkdir()
    for name, content in files.items():
        (tmp_path / "job" / name).write_text(content + "\n")
    (tmp_path / "own").write_text("0::/job\n")
    assert memory_limit(tmp_path, tmp_path / "own") == limit


@pytest.fixture(params=["cpu", "memory"])
def nested(request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """A group of the kernel's own, in one that is limited; it is removed again."""
    if not (top := MOUNT / request.param).is_dir() or not os.access(top, os.W_OK):
        pytest.skip("no control group of version 1 can be made here")
    group = top / f"vitscope-test-{os.getpid()}"
    try:
        (group / "inner").mkdir(parents=True)
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield request.param, group
    finally:
        (group / "inner").rmdir()
        group.rmdir()


def test_the_kernels_own_groups_are_read(nested: tuple[str, Path]) -> None:
    kind, group = nested
    name, value = ("cpu.cfs_quota_us", 50_000) if kind == "cpu" else ("memory.limit_in_bytes", 300 * 2**20)
    (group / name).write_text(str(value))
    script = (
        "import sys; from pathlib import Path; Path(sys.argv[1]).write_text('0')\n"  # 0 is the process that writes
        "from vitscope.cgroup import cpu_quota, memory_limit; print(cpu_quota(), memory_limit())"
    )
    command = [sys.executable, "-c", script, str(group / "inner/cgroup.procs")]
    cpus, memory = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if kind == "cpu":
        assert float(cpus) <= 0.5
    else:
        assert int(memory) <= 300 * 2**20
