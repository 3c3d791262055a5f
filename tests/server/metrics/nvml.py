"""A fake of the GPU driver's management library (NVML)."""

from types import SimpleNamespace
from typing import Any

import pynvml


class Driver:
    """A fake of NVML with two GPUs, the second of which does not report its power.

    Every function that is called has to exist in the real bindings.
    """

    NVMLError = pynvml.NVMLError

    def __init__(self) -> None:
        self.initialised = False

    def nvmlInit(self) -> None:
        self.initialised = True

    def __getattr__(self, name: str) -> Any:
        assert hasattr(pynvml, name), f"{name} is not in NVML"
        assert self.initialised
        return getattr(self, f"_{name.removeprefix('nvmlDeviceGet')}")

    def _Count(self) -> int:
        return 2

    def _HandleByIndex(self, index: int) -> int:
        return index

    def _UUID(self, gpu: int) -> str:
        return f"GPU-{gpu}"

    def _MemoryInfo(self, gpu: int) -> SimpleNamespace:
        return SimpleNamespace(used=10 * (gpu + 1), total=100)

    def _UtilizationRates(self, gpu: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=25)

    def _PowerUsage(self, gpu: int) -> int:
        if gpu:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return 350_000
