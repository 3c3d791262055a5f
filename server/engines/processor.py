"""What the processor can do, as the kernel lists it."""

from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

# Any of these multiplies 8-bit integers into 32-bit sums. Without them u8 × s8 products saturate in 16 bits, and answers
# drift from those that were certified.
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"})
# Instruction sets that engines pick kernels by; the rest of the flags changes with kernels and microcode.
_KERNELS = ("avx", "amx", "fma", "sse4", "asimd", "sve", "i8mm", "bf16")


@cache
def flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Feature flags of the first processor ("flags" on x86, "Features" on Arm); empty where the kernel lists none."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def has_int8(found: frozenset[str]) -> bool:
    """Whether 8-bit arithmetic is exact and fast with these flags."""
    return bool(found & _DOT_PRODUCTS)


def instruction_sets(found: frozenset[str]) -> tuple[str, ...]:
    """Those of the flags that decide which kernels an engine runs, in order."""
    return tuple(sorted(flag for flag in found if flag.startswith(_KERNELS)))
