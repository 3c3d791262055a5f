"""Other forms of an exported ONNX graph: another arithmetic, fused attention. Needs onnx, so it is imported late."""
