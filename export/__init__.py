"""Stage 2: turn a fine-tuned checkpoint into a bundle: ONNX graphs, arrays for explanations, parity certificate."""
