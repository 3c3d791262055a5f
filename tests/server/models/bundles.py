"""Bundles that a server can really serve."""

from collections.abc import Callable
from pathlib import Path

from tests.bundle.sample import MANIFEST, write_sample
from tests.server.engines.graphs import CLASSES, HEIGHT, WIDTH, write_graph
from vitscope.bundle import Graph, Output


def write_bundle(
    models: Path, name: str, version: int, tmp_path: Path, write: Callable[[Path], object] = write_graph
) -> Path:
    """Write a bundle with one small graph, classify, that engines can run; return its folder."""
    write(tmp_path / "graph.onnx")
    manifest = MANIFEST.model_copy(
        update={
            "labels": tuple(map(str, range(CLASSES))),
            "input": MANIFEST.input.model_copy(update={"height": HEIGHT, "width": WIDTH}),
            "tokens": MANIFEST.tokens.model_copy(
                update={"patch_height": 2, "patch_width": 2, "grid_rows": HEIGHT // 2, "grid_cols": WIDTH // 2}
            ),
            "methods": (),
            "graphs": {
                "classify": Graph(file="graphs/classify.onnx", outputs=(Output(name="logits", shape=("N", CLASSES)),))
            },
        }
    )
    return write_sample(models, version, name, (tmp_path / "graph.onnx").read_bytes(), manifest)
