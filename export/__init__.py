"""Stage 2: turn a fine-tuned checkpoint into a bundle: ONNX graphs, arrays for explanations, parity certificate."""

from vitscope.telemetry import switch_off_telemetry

switch_off_telemetry()
