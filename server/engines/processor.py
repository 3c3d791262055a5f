"""The instruction sets of the processor, as the kernel lists them."""

from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

# Any of these multiplies 8-bit integers into 32-bit sums. Without them u8 × s8 products saturate in 16 bits, and
# answers differ from those that were certified.
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "i8mm"})
# Instruction sets that engines choose kernels by. Other flags change with the kernel's version and microcode.
_KERNELS = ("avx", "amx", "fma", "sse4", "asimd", "sve", "i8mm", "bf16")


@cache
def flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Return the first processor's feature flags ("flags" on x86, "Features" on Arm), if it lists any."""
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
    """Return whether 8-bit arithmetic is exact and fast with these flags."""
    return bool(found & _DOT_PRODUCTS)


def instruction_sets(found: frozenset[str]) -> tuple[str, ...]:
    """Return the flags that decide which kernels an engine runs, sorted."""
    return tuple(sorted(flag for flag in found if flag.startswith(_KERNELS)))
