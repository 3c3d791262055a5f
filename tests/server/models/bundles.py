"""Bundles that a server can really serve."""

from collections.abc import Callable
from pathlib import Path

from tests.bundle.sample import MANIFEST, write_sample
from tests.server.engines.graphs import CLASSES, EXPLAINED, HEIGHT, WIDTH, write_explaining_graph, write_graph
from vitscope.bundle import Graph, Manifest, Output

CLASSIFY = Graph(file="graphs/classify.onnx", outputs=(Output(name="logits", shape=("N", CLASSES)),))
EVIDENCE = Graph(file="graphs/evidence.onnx", outputs=(*CLASSIFY.outputs, *EXPLAINED.values()))


def write_bundle(
    models: Path, name: str, version: int, tmp_path: Path, write: Callable[[Path], object] = write_graph
) -> Path:
    """Write a bundle with one small graph, classify, that engines can run; return its folder."""
    write(tmp_path / "graph.onnx")
    return write_sample(models, version, name, (tmp_path / "graph.onnx").read_bytes(), _manifest())


def write_explaining_bundle(models: Path, name: str, version: int, tmp_path: Path, **changes: object) -> Path:
    """Write such a bundle with a graph that explains classes beside it. changes: of the manifest."""
    write_graph(tmp_path / "graph.onnx")
    write_explaining_graph(tmp_path / "evidence.onnx")
    manifest = _manifest(methods=("evidence",), graphs={"classify": CLASSIFY, "evidence": EVIDENCE}, **changes)
    more = {"evidence.onnx": (tmp_path / "evidence.onnx").read_bytes()}
    return write_sample(models, version, name, (tmp_path / "graph.onnx").read_bytes(), manifest, more)


def _manifest(**changes: object) -> Manifest:
    tokens = {"patch_height": 2, "patch_width": 2, "grid_rows": HEIGHT // 2, "grid_cols": WIDTH // 2}
    return MANIFEST.model_copy(
        update={
            "labels": tuple(map(str, range(CLASSES))),
            "input": MANIFEST.input.model_copy(update={"height": HEIGHT, "width": WIDTH}),
            "tokens": MANIFEST.tokens.model_copy(update=tokens),
            "methods": (),
            "graphs": {"classify": CLASSIFY},
            **changes,
        }
    )
