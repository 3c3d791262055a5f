"""Tests of TensorRT as an engine, none of which needs a GPU."""
