"""A small model with the graph `full`, and outputs of it."""

from typing import Any

import numpy as np

from tests.server.images.samples import VIT
from vitscope.bundle import CLASSIFY, FULL, Graph, Manifest, Output, Provenance, TokenGeometry

LAYERS, HEADS, WIDTH, LABELS = 3, 2, 4, 3
TOKENS = TokenGeometry(
    patch_height=112, patch_width=74, grid_rows=2, grid_cols=3, register_tokens=1, pooling="cls", cls_tokens=1
)
COUNT = TOKENS.prefix + TOKENS.patches
_HEAD = (LAYERS, HEADS, COUNT)
SHAPES = {
    "logits": (LABELS,),
    "matrices": (*_HEAD, COUNT),
    "queries": (*_HEAD, WIDTH),
    "keys": (*_HEAD, WIDTH),
    "values": (*_HEAD, WIDTH),
    "token_norms": (LAYERS + 1, COUNT),
    "updates": (LAYERS, 2, COUNT),
    "lens": (LAYERS + 1, COUNT, LABELS),
}


def manifest(without: tuple[str, ...] = (), graphs: tuple[Any, ...] = (CLASSIFY, FULL)) -> Manifest:
    """Return the manifest, without some outputs of the graph `full`."""
    outputs = {
        CLASSIFY: (Output(name="logits", shape=("N", LABELS)), Output(name="attention", shape=("N", HEADS, 6))),
        FULL: tuple(Output(name=name, shape=("N", *shape)) for name, shape in SHAPES.items() if name not in without),
    }
    return Manifest(
        name="toy", version=1, family="vit", labels=("a", "b", "c"), input=VIT, tokens=TOKENS, layers=LAYERS,
        heads=HEADS, width=HEADS * WIDTH,
        graphs={graph: Graph(file=f"graphs/{graph}.onnx", outputs=outputs[graph]) for graph in graphs},
        methods=("attention", "rollout"),
        provenance=Provenance(source="toy", weights_sha256="0" * 64, tools={}),
        files={f"graphs/{graph}.onnx": "0" * 64 for graph in graphs},
    )  # fmt: skip


def outputs() -> dict[str, np.ndarray]:
    """Return random outputs of one image; rows of the matrices sum to 1."""
    random = np.random.default_rng(0)
    found = {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    scores = np.exp(2 * found["matrices"])
    return {**found, "matrices": scores / scores.sum(axis=-1, keepdims=True)}
