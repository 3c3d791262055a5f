"""The bundle: a folder on disk that `export` writes and `server` reads, and the only thing they share.

<models>/<name>/<version>/
    manifest.json     what the model is and takes, its graphs, and the SHA-256 of every other file
    manifest.sha256   SHA-256 of manifest.json, as `sha256sum` writes it
    graphs/*.onnx     graphs that share one external weights file, and perhaps their int8 and fp8 variants, each with one of its own
    explain.npz       arrays for explanations: patch kernel, position embeddings as used, head
    certificate.json  parity of each engine and precision with the source checkpoint
    engines/          cache of compiled engines; rebuildable, not hashed, never trusted
"""

from vitscope.bundle.certificate import Certificate, CertificateEntry
from vitscope.bundle.errors import BundleError
from vitscope.bundle.manifest import (
    ATTENTION,
    CLASSIFY,
    FP8,
    INT8,
    Graph,
    GraphName,
    InputContract,
    Manifest,
    Output,
    Provenance,
    Resize,
    TokenGeometry,
    Variant,
)
from vitscope.bundle.reader import Bundle, discover, open_bundle
from vitscope.bundle.writer import BundleWriter

__all__ = [
    "ATTENTION",
    "CLASSIFY",
    "FP8",
    "INT8",
    "Bundle",
    "BundleError",
    "BundleWriter",
    "Certificate",
    "CertificateEntry",
    "Graph",
    "GraphName",
    "InputContract",
    "Manifest",
    "Output",
    "Provenance",
    "Resize",
    "TokenGeometry",
    "Variant",
    "discover",
    "open_bundle",
]
