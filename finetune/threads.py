"""How many threads a training runs on.

torch takes all cores that it sees. Where a quota allows fewer, or others use them, threads wait for one another most of
the time; and steps of a small model are over before a second thread has begun.
"""

import math
import os
from dataclasses import dataclass

import torch

from vitscope.cpus import cpu_share

# Work of one step that is worth a thread, in floating point operations.
_PER_THREAD = 2e9


@dataclass(frozen=True)
class Plan:
    """threads: for torch. reason: where the number comes from."""

    threads: int
    reason: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.threads} {'thread' if self.threads == 1 else 'threads'} ({self.reason})"


def plan_threads(step: float, wanted: int = 0, reason: str = "as --threads says") -> Plan:
    """Return how many threads to use. step: operations of one training step. wanted: a fixed number, or 0; and why."""
    if wanted:
        return Plan(wanted, reason)
    share, _ = cpu_share()
    free = (os.cpu_count() or 1) - _load()
    most = max(1, min(math.floor(share), round(free)))
    worth = max(1, math.ceil(step / _PER_THREAD))
    if worth < most:
        return Plan(worth, f"steps are small; {share:g} CPUs")
    if most < math.floor(share):
        return Plan(most, f"{share:g} CPUs, load {_load():.1f}")
    return Plan(most, f"{share:g} CPUs")


def operations(model: torch.nn.Module, pixels: torch.Tensor) -> float:
    """Return the floating point operations of one training step on a batch, from one image of it; about thrice forward.

    pixels: float [N, 3, H, W] on the model's device.
    """
    from torch.utils.flop_counter import FlopCounterMode

    model.eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(pixel_values=pixels[:1])
    return 3.0 * float(counter.get_total_flops()) * len(pixels)


def _load() -> float:
    """Return how many CPUs others have used in the last minute; of the whole machine, also inside a container."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0
