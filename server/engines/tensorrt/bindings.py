"""The TensorRT module: found, and asked whether it can run here."""

from importlib import import_module
from typing import Any

from vitscope.server.engines import cuda
from vitscope.server.engines.contract import Precision

NAME = "tensorrt"
PRECISIONS: tuple[Precision, ...] = ("f16", "bf16", "f32", "fp8")

_MAJORS = (10, 11)


def load() -> Any:
    """Import the TensorRT module, under whichever name its packages give it.

    Raises ImportError, or OSError for a missing library.
    """
    try:
        return import_module("tensorrt")
    except ModuleNotFoundError:
        return import_module("tensorrt_bindings")


def version() -> str:
    """Return the version, such as "10.16.1.11". Raises what load() raises."""
    return str(load().__version__)


def why_not(precision: Precision) -> str | None:
    """Return None where this machine can run TensorRT at `precision`, else the reason in one sentence."""
    if precision not in PRECISIONS:
        return f"TensorRT is not used in {precision}; accepted: {', '.join(PRECISIONS)}"
    try:
        found = version()
    except (ImportError, OSError) as error:
        return f"TensorRT cannot be imported ({error}); requirements/gpu.txt lists what a GPU needs"
    if int(found.split(".")[0]) not in _MAJORS:
        return f"TensorRT {found} is installed; accepted: {' and '.join(map(str, _MAJORS))}"
    return cuda.why_no_gpu(precision)
