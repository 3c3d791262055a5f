"""Stage 1: labelled images + a Vision Transformer -> a fine-tuned checkpoint in Hugging Face format."""

from vitscope.telemetry import switch_off_telemetry

switch_off_telemetry()
