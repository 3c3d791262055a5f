"""The files of a variant."""

from pathlib import Path

import numpy as np

from tests.export.tracing import traced
from vitscope.bundle import CLASSIFY, FP8, INT8, Graph, Output
from vitscope.export.variants.form import Source, variant_file, weights_file

GRAPH = Graph(file="graphs/classify.onnx", outputs=(Output(name="logits", shape=("N", 5)),))


def test_names() -> None:
    assert variant_file(GRAPH, INT8) == "graphs/classify.int8.onnx"
    assert [weights_file(variant) for variant in (INT8, FP8)] == ["weights.int8.bin", "weights.fp8.bin"]


def test_a_variant_is_written_beside_its_weights(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    model = traced(checkpoints["vit"])
    source = Source(model, {CLASSIFY: GRAPH}, tmp_path, np.zeros((1, 32, 32, 3), np.uint8))
    source.write(model, {CLASSIFY: tmp_path / "graph.onnx"}, FP8)
    assert {path.name for path in tmp_path.iterdir()} == {"graph.onnx", "weights.fp8.bin"}
