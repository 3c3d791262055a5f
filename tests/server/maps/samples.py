"""A manifest with attention, and maps to draw."""

from typing import Any

import numpy as np

from tests.server.images.samples import VIT
from vitscope.bundle import ATTENTION, CLASSIFY, Graph, Manifest, Output, Provenance, TokenGeometry
from vitscope.server.maps.map import Map

LAYERS, HEADS = 6, 3
TOKENS = TokenGeometry(
    patch_height=16,
    patch_width=16,
    grid_rows=14,
    grid_cols=14,
    distillation_tokens=1,
    register_tokens=4,
    pooling="cls+distillation",
)


def manifest(graphs: tuple[Any, ...] = (CLASSIFY, ATTENTION), attention: bool = True) -> Manifest:
    logits = Output(name="logits", shape=("N", 2))
    rows = {CLASSIFY: ("N", HEADS), ATTENTION: ("N", LAYERS, HEADS)}
    return Manifest(
        name="toy",
        version=1,
        family="deit",
        labels=("a", "b"),
        input=VIT,
        tokens=TOKENS,
        layers=LAYERS,
        heads=HEADS,
        width=192,
        graphs={
            graph: Graph(
                file=f"graphs/{graph}.onnx",
                outputs=(logits, Output(name="attention", shape=(*rows[graph], 196))) if attention else (logits,),
            )
            for graph in graphs
        },
        provenance=Provenance(source="toy", weights_sha256="0" * 64, tools={}),
        files={f"graphs/{graph}.onnx": "0" * 64 for graph in graphs},
    )


def attention_map(values: Any) -> Map:
    return Map.of("attention", 5, -1, np.asarray(values, np.float32))


def one_hot(row: int, column: int, rows: int = 14, cols: int = 14) -> Map:
    values = np.zeros((rows, cols), np.float32)
    values[row, column] = 1
    return attention_map(values)
