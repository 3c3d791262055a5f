"""Ranges of a model's tensors on real images."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx_ir as ir
import onnxruntime

from vitscope.export.graph import INPUT, remove_unused
from vitscope.export.graph.weights import write_graphs

BATCH = 8


def largest(model: ir.Model, tensors: Iterable[str], images: np.ndarray) -> dict[str, float]:
    """Compute the largest absolute value of each float32 tensor over all images, by its name, with ONNX Runtime.

    images: uint8 [M, H, W, 3]. The maxima are taken in the graph, so that no activation leaves the engine.
    """
    names = list(dict.fromkeys(tensors))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write_graphs({path: _with_maxima(model, names)}, "weights.bin")
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
    maxima = np.max([session.run(None, {INPUT: batch}) for batch in batches], axis=0)
    return dict(zip(names, map(float, maxima), strict=True))


def _with_maxima(model: ir.Model, names: list[str]) -> ir.Model:
    """Copy a model so that its outputs are the largest absolute values, scalars, in the order of `names`."""
    model = model.clone()
    graph = model.graph
    values = {value.name: value for node in graph for value in node.outputs}
    graph.outputs.clear()
    for name in names:
        magnitude = ir.node("Abs", [values[name]])
        maximum = ir.val(f"{name}/largest", ir.DataType.FLOAT, ())
        graph.extend([magnitude, ir.node("ReduceMax", magnitude.outputs, {"keepdims": 0}, outputs=[maximum])])
        graph.outputs.append(maximum)
    remove_unused(model)
    return model
