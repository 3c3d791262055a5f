"""How many CPUs this process may use: of its affinity mask and of the quotas of its control groups."""

import os
from pathlib import Path

from vitscope.cgroup import MOUNT, OWN, cpu_quota


def cpu_share(mount: Path = MOUNT, own: Path = OWN) -> tuple[float, str]:
    """Return how many CPUs this process may use, more than 0, and why.

    The number is the smallest of the affinity mask and the quotas of its control group and all above it.
    """
    affinity = len(os.sched_getaffinity(0))
    quota = cpu_quota(mount, own)
    if quota is not None and quota < affinity:
        return quota, f"cgroup quota of {quota:g} CPUs (of {affinity} in the affinity mask)"
    return affinity, f"{affinity} CPUs in the affinity mask, no lower cgroup quota"
