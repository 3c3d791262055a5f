"""`make bench`: the server compared with the limits of this machine and with a plain server."""

from vitscope.telemetry import switch_off_telemetry

switch_off_telemetry()
