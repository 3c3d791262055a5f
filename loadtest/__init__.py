"""Load tests of a vitscope server. `vitscope loadtest` runs Locust scenarios and judges them by latency objectives.

`generator.py` is the other way to make load: one asyncio loop without Locust, for benchmarks.
"""

from vitscope.telemetry import switch_off_telemetry

switch_off_telemetry()
