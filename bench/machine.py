"""The machine that the figures were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.limits import best_precision
from vitscope.cpus import cpu_share

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8")
_TOOLS = ("openvino", "onnxruntime", "grpcio", "pillow", "numpy", "torch", "transformers")


def describe() -> dict[str, Any]:
    """Return processor, cores and where their number comes from, relevant instruction sets, memory, and versions."""
    info = Path("/proc/cpuinfo").read_text()
    fields = dict(line.split(":", 1) for line in info.split("\n\n")[0].splitlines() if ":" in line)
    about = {key.strip(): value.strip() for key, value in fields.items()}
    cores, why = cpu_share()
    memory = Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    return {
        "processor": about.get("model name", platform.processor()),
        "family, model": f"{about.get('cpu family', '?')}, {about.get('model', '?')}",
        "cores": f"{cores:g} ({why})",
        "instructions": ", ".join(flag for flag in _FLAGS if flag in about.get("flags", "").split()) or "none of note",
        "memory": f"{int(memory) / 2**20:.0f} GiB",
        "precision": best_precision(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
        "versions": ", ".join(f"{tool} {version(tool)}" for tool in _TOOLS),
    }


def busy_seconds() -> float:
    """Return the CPU seconds that all processes of this machine have used since it started."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def has_amx(machine: dict[str, Any]) -> bool:
    return "amx_bf16" in machine["instructions"]


def processor_class(machine: dict[str, Any]) -> str:
    """Return what decides how fast an engine is: the best instructions for products of matrices."""
    found = machine["instructions"]
    if has_amx(machine):
        return "with AMX"
    for flag, name in (("avx512_bf16", "AVX-512 with bf16"), ("avx512f", "AVX-512"), ("avx2", "AVX2")):
        if flag in found:
            return f"{name}, no AMX"
    return "no vector instructions of note"
