"""Stage 2: a fine-tuned checkpoint -> a bundle: ONNX graphs, what explanations need, and a parity certificate."""
