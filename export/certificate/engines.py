"""The engines and precisions that an export can be certified with on this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
import openvino as ov

# Without one of these, products of 8-bit integers saturate in 16 bits, and nothing measured here holds elsewhere.
DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"})


class Run(Protocol):
    """A graph, loaded: pixels, uint8 [N, H, W, 3], and its further inputs by name -> outputs by name."""

    def __call__(self, pixels: np.ndarray, /, **inputs: np.ndarray) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Candidate:
    """An engine and precision, named as in the server. `missing`: the reason why it cannot run here, or empty."""

    engine: str
    precision: str
    load: Callable[[Path], Run]
    missing: str = ""

    @property
    def key(self) -> str:
        return f"{self.engine}/{self.precision}"

    @property
    def version(self) -> str:
        return version(self.engine)


@cache
def core() -> ov.Core:
    """Return OpenVINO, once for the process.

    Its plugin for the CPU gives the thread that loads it a stack for signals, and frees that when it is unloaded. Where
    another thread does so, the first one keeps the address, and its next signal with a handler ends the process.
    """
    return ov.Core()


def candidates() -> list[Candidate]:
    """List every engine and precision that a server may use on a CPU."""
    bf16 = "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [
        Candidate("onnxruntime", "f32", _onnxruntime),
        Candidate("openvino", "f32", lambda path: _openvino(path, ov.Type.f32)),
        Candidate(
            "openvino",
            "bf16",
            lambda path: _openvino(path, ov.Type.bf16),
            missing="" if bf16 else "the exporting processor has no bfloat16 arithmetic (AVX512-BF16 or AMX)",
        ),
    ]


def int8_candidate(bf16_certified: bool) -> Candidate:
    """Return OpenVINO with int8 graphs. Their floating-point nodes run in bf16 if certified, as in the server."""
    return Candidate(
        "openvino",
        "int8",
        lambda path: _openvino(path, ov.Type.bf16 if bf16_certified else ov.Type.f32),
        missing=""
        if _cpu_flags() & DOT_PRODUCTS
        else "the exporting processor has no 8-bit dot products (VNNI, AMX or i8mm)",
    )


def _cpu_flags() -> set[str]:
    """Return the processors' feature flags as listed by Linux. Elsewhere there are none."""
    cpuinfo = Path("/proc/cpuinfo")
    return set(cpuinfo.read_text().split()) if cpuinfo.is_file() else set()


def processor_name() -> str:
    """Return the CPU's model name."""
    return str(core().get_property("CPU", "FULL_DEVICE_NAME")).strip()


def _onnxruntime(path: Path) -> Run:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed = session.get_inputs()[0].name

    def run(pixels: np.ndarray, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, {feed: pixels, **inputs}), strict=True))

    return run


def _openvino(path: Path, precision: ov.Type) -> Run:
    compiled = core().compile_model(path, "CPU", {ov.properties.hint.inference_precision: precision})
    names = [output.get_any_name() for output in compiled.outputs]

    feed = compiled.inputs[0].get_any_name()

    def run(pixels: np.ndarray, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, map(np.copy, compiled({feed: pixels, **inputs}).values()), strict=True))

    return run
