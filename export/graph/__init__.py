"""The ONNX graphs of a bundle: description, tracing, files and lint."""

from vitscope.export.graph.describe import describe_graphs, output_bytes, softmaxes
from vitscope.export.graph.tracing import INPUT, PixelClassifier, cut, remove_unused, trace, without

__all__ = [
    "INPUT",
    "PixelClassifier",
    "cut",
    "describe_graphs",
    "output_bytes",
    "remove_unused",
    "softmaxes",
    "trace",
    "without",
]
