"""Tests of the rewriting of ONNX graphs."""
