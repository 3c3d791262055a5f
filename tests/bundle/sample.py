"""A small bundle with every kind of file, for tests of the format. Its graphs are not valid ONNX."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitscope.bundle import (
    BundleWriter,
    Certificate,
    Graph,
    InputContract,
    Manifest,
    Output,
    Provenance,
    Resize,
    TokenGeometry,
)

MANIFEST = Manifest(
    name="sample",
    version=1,
    family="vit",
    labels=("cat", "dog"),
    input=InputContract(
        height=28,
        width=28,
        resize=Resize(mode="squash", height=28, width=28, interpolation="bilinear"),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
    tokens=TokenGeometry(patch_height=4, patch_width=4, grid_rows=7, grid_cols=7, pooling="cls"),
    layers=2,
    heads=3,
    width=12,
    graphs={
        "classify": Graph(
            file="graphs/classify.onnx",
            outputs=(
                Output(name="logits", shape=("N", 2)),
                Output(name="attention", shape=("N", 3, 49)),
                Output(name="attention_prefix", shape=("N", 3, 1)),
            ),
        )
    },
    provenance=Provenance(source="sample", weights_sha256="0" * 64, tools={"torch": "2"}),
    files={"graphs/classify.onnx": "0" * 64},
)


def write_sample(
    models: Path,
    version: int | None = None,
    name: str = "sample",
    graph: bytes = b"graph",
    manifest: Manifest = MANIFEST,
    more: Mapping[str, bytes] = {},
) -> Path:
    """Write a complete bundle that passes verification, with more graphs by name. Returns its folder."""
    with BundleWriter(models, name, version) as writer:
        (writer.path / "graphs").mkdir()
        (writer.path / "graphs/classify.onnx").write_bytes(graph)
        for file, content in more.items():
            (writer.path / "graphs" / file).write_bytes(content)
        (writer.path / "graphs/weights.bin").write_bytes(bytes(range(256)))
        writer.save_explain({"patch_kernel": np.zeros((12, 3, 4, 4), np.float32)})
        writer.save_certificate(Certificate())
        changes: dict[str, Any] = {"name": name, "version": writer.version, "files": writer.files()}
        # Tests replace the graphs of a manifest, and the methods have to match them.
        others = tuple(method for method in manifest.methods if method != "attention")
        changes["methods"] = (("attention",) if manifest.has_attention else ()) + others
        return writer.publish(manifest.model_copy(update=changes))


def change_manifest(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a bundle's manifest, and its checksum with it, as no export would."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    change(manifest)
    text = json.dumps(manifest).encode()
    (bundle / "manifest.json").write_bytes(text)
    (bundle / "manifest.sha256").write_text(f"{hashlib.sha256(text).hexdigest()}  manifest.json\n")
