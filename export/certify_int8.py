"""Which linear layers can be in 8 bits: all of them, or all but those that hurt most, or no int8 at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx_ir as ir

from vitscope.bundle import ATTENTION, CLASSIFY, INT8, Certificate, CertificateEntry, Graph, GraphName, Variant
from vitscope.export.certify import BATCH, measure
from vitscope.export.engines import Candidate, Run, candidates, int8_candidate
from vitscope.export.graph import cut
from vitscope.export.int8 import LARGEST, Layers, bypass, linear_layers, quantize, weight_bytes
from vitscope.export.progress import Reporter
from vitscope.export.reference import Reference
from vitscope.export.weights import write_graphs

WEIGHTS = "weights.int8.bin"
# Of the halves of encoder blocks: with fewer than half of them in 8 bits, int8 is no faster than bf16 by any measurement.
LARGEST_FLOAT_SHARE = 0.5
RANKING_IMAGES = 32


@dataclass(frozen=True)
class Source:
    """What variants are made from: the traced model, its graphs as the manifest has them, and the folder of the new bundle.

    images: uint8 [M, H, W, 3], what the ranges come from.
    """

    traced: ir.Model
    graphs: Mapping[GraphName, Graph]
    folder: Path
    images: np.ndarray


def add_int8(certificate: Certificate, source: Source, reference: Reference, reporter: Reporter) -> Certificate:
    """The certificate with int8, measured or with the reason why it was not. The variants' files are written if it passed."""
    bf16 = certificate.entry("openvino", "bf16")
    candidate = int8_candidate(bf16_certified=bf16 is not None and bf16.passed)
    missing = candidate.missing
    if (found := weight_bytes(source.traced)) > LARGEST:
        missing = f"its float32 weights take {found / 1e9:.1f} GB, quantization takes up to {LARGEST / 1e9:.1f} GB"
    if missing:
        return certificate.model_copy(update={"not_measured": {**certificate.not_measured, candidate.key: missing}})
    entry = certify_int8(source, candidate, reference, reporter)
    return certificate.model_copy(update={"entries": (*certificate.entries, entry)})


def why_no_int8(certificate: Certificate) -> str | None:
    """Why int8 is not to be published; None where it is."""
    if entry := certificate.entry("openvino", INT8):
        return None if entry.passed else "; ".join(entry.shortfalls)
    return certificate.not_measured.get(f"openvino/{INT8}", "it was not asked for")


def certify_int8(source: Source, candidate: Candidate, reference: Reference, reporter: Reporter) -> CertificateEntry:
    """Write int8 variants of all graphs and compare them with the reference.

    Below a bar, the halves of encoder blocks that add most to the error go back to floating point: one, two, four and so on,
    up to half of all. Returns the last measurement; unless it passed, no file is left.
    """
    layers, order = linear_layers(source.traced), list[str]()
    paths = {name: source.folder / variant_file(graph, INT8) for name, graph in source.graphs.items()}
    count = 0
    while True:
        kept = tuple(layer for layer in layers if layer in order[:count])
        with reporter.stage(f"quantizing to int8{f' without {count} of {len(layers)} block halves' if kept else ''}"):
            nodes = [node for layer in layers.keys() - set(kept) for node in layers[layer]]
            quantized = quantize(source.traced, nodes, source.images)
            parts = cut(quantized, dict(source.graphs))
            write_graphs({paths[name]: parts[name] for name in paths}, WEIGHTS)
        entry = measure(candidate, paths, reference, reporter).model_copy(update={"float_layers": kept})
        if entry.passed:
            return entry
        count = max(1, 2 * count)
        if count > LARGEST_FLOAT_SHARE * len(layers):
            for path in (*paths.values(), source.folder / "graphs" / WEIGHTS):
                path.unlink()
            return entry
        order = order or rank(quantized, layers, source, candidate, reporter)


def rank(quantized: ir.Model, layers: Layers, source: Source, candidate: Candidate, reporter: Reporter) -> list[str]:
    """The layers, first the one without whose rounding the outputs come closest to those in float32."""
    name = ATTENTION if ATTENTION in source.graphs else CLASSIFY
    graph, images = source.graphs[name], source.images[:RANKING_IMAGES]
    model = cut(quantized, {name: graph})[name]
    (float32,) = [c for c in candidates() if c.key == "openvino/f32"]
    exact = outputs_of(float32.load(source.folder / graph.file), images)
    errors = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        for layer in reporter.track(list(layers), "ranking what 8 bits hurt"):
            write_graphs({path: bypass(model, layers[layer])}, WEIGHTS)
            errors[layer] = distance(outputs_of(candidate.load(path), images), exact)
    return sorted(errors, key=errors.__getitem__)


def variant_file(graph: Graph, variant: Variant) -> str:
    """Where a bundle has the variant of a graph."""
    return str(Path(graph.file).with_suffix(f".{variant}.onnx"))


def outputs_of(run: Run, images: np.ndarray) -> dict[str, np.ndarray]:
    batches = [run(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def distance(found: dict[str, np.ndarray], exact: dict[str, np.ndarray]) -> float:
    """Relative error, summed over the outputs, so that logits and maps count alike."""
    return sum(float(np.linalg.norm(found[name] - exact[name]) / np.linalg.norm(exact[name])) for name in exact)
