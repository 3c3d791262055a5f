"""The ONNX graphs of a bundle: description, tracing, files and lint."""

from vitscope.export.graph.describe import describe_graphs, output_bytes, softmaxes
from vitscope.export.graph.tracing import INPUT, PixelClassifier, cut, trace, without

__all__ = ["INPUT", "PixelClassifier", "cut", "describe_graphs", "output_bytes", "softmaxes", "trace", "without"]
