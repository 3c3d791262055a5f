"""The bundle: a folder on disk that `export` writes and `server` reads; the only interface between them.

<models>/<name>/<version>/
    manifest.json     the model, its input, its graphs, and the SHA-256 of every other file
    manifest.sha256   SHA-256 of manifest.json, as `sha256sum` writes it
    graphs/*.onnx     graphs that share an external weights file; optional int8 and fp8 variants, each kind with a
                      file of its own
    explain.npz       arrays for explanations: patch kernel, positions as used, prefix tokens, head
    samples/          where there are any: photos to show the model with, and what is on them
    certificate.json  parity of each engine and precision, and of the server's pixels, with the source checkpoint
    engines/          cache of compiled engines; can be rebuilt, is not hashed and never trusted
"""

from vitscope.bundle.activation import AGREEMENT, Activation, probabilities
from vitscope.bundle.certificate import (
    Certificate,
    CertificateEntry,
    Cosines,
    EvidenceFigures,
    EvidenceSanity,
    PixelEntry,
)
from vitscope.bundle.embedding import PatchEmbedding
from vitscope.bundle.errors import BundleError
from vitscope.bundle.graphs import (
    ATTENTION,
    CLASSIFY,
    EVIDENCE,
    FLOATING,
    FP8,
    FULL,
    INT8,
    Graph,
    GraphName,
    Input,
    Output,
    Variant,
)
from vitscope.bundle.manifest import (
    AttentionFrom,
    InputContract,
    Manifest,
    Padding,
    Pooling,
    PositionKind,
    Provenance,
    Resize,
    TokenGeometry,
)
from vitscope.bundle.parity import F32_SHARE, LogitBars, Parity, Scale
from vitscope.bundle.reader import Bundle, discover, open_bundle
from vitscope.bundle.samples import Sample, kind_of
from vitscope.bundle.writer import BundleWriter

__all__ = [
    "AGREEMENT",
    "ATTENTION",
    "CLASSIFY",
    "EVIDENCE",
    "F32_SHARE",
    "FLOATING",
    "FP8",
    "FULL",
    "INT8",
    "Activation",
    "AttentionFrom",
    "Bundle",
    "BundleError",
    "BundleWriter",
    "Certificate",
    "CertificateEntry",
    "Cosines",
    "EvidenceFigures",
    "EvidenceSanity",
    "Graph",
    "GraphName",
    "Input",
    "InputContract",
    "LogitBars",
    "Manifest",
    "Output",
    "Padding",
    "Parity",
    "PatchEmbedding",
    "PixelEntry",
    "Pooling",
    "PositionKind",
    "Provenance",
    "Resize",
    "Sample",
    "Scale",
    "TokenGeometry",
    "Variant",
    "discover",
    "kind_of",
    "open_bundle",
    "probabilities",
]
