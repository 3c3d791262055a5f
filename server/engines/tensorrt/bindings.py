"""The TensorRT module: found, and asked whether it can run here."""

from importlib import import_module
from typing import Any

from vitscope.server.engines.contract import Precision

NAME = "tensorrt"

_MAJORS = (10, 11)
# Compute capability from which the arithmetic is in hardware; below 7.5 TensorRT does not run at all.
_OLDEST = {"f32": (7, 5), "f16": (7, 5), "bf16": (8, 0), "fp8": (8, 9)}


def load() -> Any:
    """The TensorRT module, under whichever name its packages give it. Raises ImportError, or OSError for a missing library."""
    try:
        return import_module("tensorrt")
    except ModuleNotFoundError:
        return import_module("tensorrt_bindings")


def version() -> str:
    """Such as "10.16.1.11". Raises what load() raises."""
    return str(load().__version__)


def why_not(precision: Precision) -> str | None:
    """None where this machine can run TensorRT at `precision`, else the reason in one sentence."""
    if precision not in _OLDEST:
        return f"TensorRT is not used in {precision}; accepted: {', '.join(_OLDEST)}"
    try:
        found = version()
    except (ImportError, OSError) as error:
        return f"TensorRT cannot be imported ({error}); requirements/gpu.txt lists what a GPU needs"
    if int(found.split(".")[0]) not in _MAJORS:
        return f"TensorRT {found} is installed; accepted: {' and '.join(map(str, _MAJORS))}"
    return why_no_gpu(precision)


def why_no_gpu(precision: Precision) -> str | None:
    """None where this process may use a GPU with hardware for `precision`, else the reason in one sentence."""
    from vitscope.server.engines.tensorrt import cuda

    try:
        devices = cuda.devices()
    except ImportError as error:
        return f"the CUDA bindings cannot be imported ({error}); requirements/gpu.txt lists what a GPU needs"
    except cuda.CudaError as error:
        return str(error)
    if not devices:
        return "the NVIDIA driver has no GPU for this process"
    best = max(devices, key=lambda device: device.compute_capability)
    if best.compute_capability < _OLDEST[precision]:
        found, needed = (".".join(map(str, pair)) for pair in (best.compute_capability, _OLDEST[precision]))
        return f"{best.name} has compute capability {found}; {precision} needs {needed}"
    return None
