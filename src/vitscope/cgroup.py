"""The limits of this process: of its own control group and of all above it, in version 1 and 2 (see cgroups(7))."""

from collections.abc import Callable, Iterator
from pathlib import Path

MOUNT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cpu_quota(mount: Path = MOUNT, own: Path = OWN) -> float | None:
    """Return the smallest quota, in CPUs, of the groups of this process and those that they lie in; None without one.

    mount: where the kernel shows all groups. own: the file that names those of this process.
    """
    return _smallest("cpu", _version_2, _version_1, mount, own)


def memory_limit(mount: Path = MOUNT, own: Path = OWN) -> int | None:
    """Return the smallest limit in bytes of the same groups; None without one.

    memory.high is one too: beyond it the kernel slows the process down until it has next to no time.
    """
    version_2 = (_bytes("memory.max"), _bytes("memory.high"))

    def smaller(folder: Path) -> float | None:
        return min((limit for read in version_2 if (limit := read(folder))), default=None)

    limit = _smallest("memory", smaller, _bytes("memory.limit_in_bytes"), mount, own)
    return None if limit is None else int(limit)


def _smallest(
    controller: str,
    version_2: Callable[[Path], float | None],
    version_1: Callable[[Path], float | None],
    mount: Path,
    own: Path,
) -> float | None:
    found: list[float | None] = []
    for controllers, path in _own(own, controller):
        if not controllers:
            found += [version_2(folder) for top in (mount, mount / "unified") for folder in _upwards(top, path)]
        elif controller in controllers.split(","):
            tops = {mount / controllers, mount / controller}
            found += [version_1(folder) for top in tops for folder in _upwards(top, path)]
    return min((limit for limit in found if limit), default=None)


def _own(file: Path, controller: str) -> list[tuple[str, str]]:
    """Return controllers (none: version 2) and path of each group of the process; roots, where that cannot be read."""
    try:
        lines = file.read_bytes().decode(errors="surrogateescape").split("\n")  # names are any bytes
    except OSError:
        lines = ["0::/", f"1:{controller}:/"]
    return [(parts[1], parts[2]) for line in lines if len(parts := line.split(":", 2)) == 3]


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """Yield the folders from `path` up to `mount`.

    Those that a container does not see are left out: what it sees as the root is its own group then. So are paths
    outside of what it sees, which begin with `/..`.
    """
    parts = [part for part in path.split("/") if part]
    for length in range(len(parts), -1, -1):
        folder = mount.joinpath(*parts[:length])
        if ".." not in parts[:length] and folder.is_dir():
            yield folder


def _version_2(folder: Path) -> float | None:
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return None if limit == "max" else _quota(int(limit), int(period))
    except (OSError, ValueError):
        return None


def _version_1(folder: Path) -> float | None:
    try:
        limit, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return _quota(limit, period)
    except (OSError, ValueError):
        return None


def _quota(limit: int, period: int) -> float | None:
    return limit / period if limit > 0 and period > 0 else None


def _bytes(name: str) -> Callable[[Path], float | None]:
    def read(folder: Path) -> float | None:
        try:
            return int((folder / name).read_text())
        except (OSError, ValueError):  # version 2 writes "max"; version 1 a number beyond any machine's memory
            return None

    return read
