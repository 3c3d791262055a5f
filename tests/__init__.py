"""Tests mirror the source tree. They load libraries themselves too, before the stage that switches reports off."""

from vitscope.telemetry import switch_off_telemetry

switch_off_telemetry()
