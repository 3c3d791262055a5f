"""Short numbers with units. The names of the units are Grafana's."""

import math

_SECONDS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_LARGE = ((1e9, "G"), (1e6, "M"), (1e3, "K"), (1.0, ""))
_SUFFIX = {"reqps": " req/s", "watt": " W", "none": "", "short": ""}


def formatted(value: float, unit: str, decimals: int | None = None) -> str:
    """Format a number: `formatted(0.0123, "s")` is "12.3 ms". Raises KeyError for an unknown unit."""
    if unit == "percentunit":
        return f"{_digits(100 * value, decimals)}%"
    if unit == "s":
        return _scaled(value, _SECONDS, decimals)
    if unit == "bytes":
        return _scaled(value, _BYTES, decimals)
    return _scaled(value, _LARGE, decimals).replace(" ", "") + _SUFFIX[unit]


def _scaled(value: float, scale: tuple[tuple[float, str], ...], decimals: int | None) -> str:
    size, name = next((step for step in scale if abs(value) >= step[0]), scale[-1])
    if value == 0:
        size, name = next(step for step in scale if step[0] == 1.0)
    return f"{_digits(value / size, decimals)} {name}"


def _digits(value: float, decimals: int | None) -> str:
    """Return three significant digits, or a number of decimals. 99.97 is never rounded to 100."""
    if decimals is None:
        decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        return f"{value:.{min(decimals, 3)}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    cut = math.floor(value * 10**decimals) / 10**decimals if 0 < value < 100 else value
    return f"{cut:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
