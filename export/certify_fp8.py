"""Which encoder blocks can be in FP8: all of them, or all but those that hurt most, or none."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx_ir as ir

from vitscope.bundle import ATTENTION, CLASSIFY, FP8, Certificate, CertificateEntry, GraphName
from vitscope.export.certify import measure
from vitscope.export.certify_int8 import RANKING_IMAGES, Source, distance, outputs_of, variant_file
from vitscope.export.engines import Candidate, candidates
from vitscope.export.fp8 import activation_ranges, products, quantize
from vitscope.export.graph import cut
from vitscope.export.progress import Reporter
from vitscope.export.reference import Reference
from vitscope.export.weights import write_graphs

WEIGHTS = "weights.fp8.bin"
# FP8 is 1.2 to 1.4 times float16 where it is in all of a ViT; with fewer than half of the blocks it is not worth its error.
LARGEST_FLOAT_SHARE = 0.5


class Forms:
    """A traced model with any of its blocks left in floating point; ranges are taken once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.blocks = products(source.traced)
        self._ranges = activation_ranges(source.traced, source.images)

    def write(self, paths: Mapping[GraphName, Path], floats: Collection[str]) -> None:
        """Write the graphs with the blocks `floats` left as they are."""
        nodes = [node for block, names in self.blocks.items() if block not in floats for node in names]
        graphs = {name: self._source.graphs[name] for name in paths}
        parts: dict[GraphName, ir.Model] = cut(quantize(self._source.traced, self._ranges, nodes), graphs)
        write_graphs({paths[name]: parts[name] for name in paths}, WEIGHTS)


def add_fp8(certificate: Certificate, source: Source, reference: Reference, reporter: Reporter) -> Certificate:
    """The certificate with fp8 as measured. The variants' files are written if it passed.

    ONNX Runtime rounds to E4M3 as the graph says and multiplies in float32. That is what the numbers lose, whatever runs them;
    it says nothing about an engine that multiplies in FP8, which has to be measured where it runs.
    """
    entry = certify_fp8(source, reference, reporter)
    return certificate.model_copy(update={"entries": (*certificate.entries, entry)})


def why_no_fp8(certificate: Certificate) -> str | None:
    """Why fp8 is not to be published; None where it is."""
    entry = certificate.entry(fp8_candidate().engine, FP8)
    if entry is None:
        return "it was not asked for"
    return None if entry.passed else "; ".join(entry.shortfalls)


def certify_fp8(source: Source, reference: Reference, reporter: Reporter) -> CertificateEntry:
    """Write fp8 variants of all graphs and compare them with the reference.

    Below a bar, the blocks that add most to the error go back to floating point, whole, so that attention stays one kernel: one,
    two, four and so on, up to half of all. Returns the last measurement; unless it passed, no file is left.
    """
    with reporter.stage(f"taking the ranges for fp8 from {len(source.images)} images"):
        forms, order = Forms(source), list[str]()
    paths = {name: source.folder / variant_file(graph, FP8) for name, graph in source.graphs.items()}
    count = 0
    while True:
        floats = tuple(block for block in forms.blocks if block in order[:count])
        with reporter.stage(f"quantizing to fp8{f' without {count} of {len(forms.blocks)} blocks' if floats else ''}"):
            forms.write(paths, floats)
        entry = measure(fp8_candidate(), paths, reference, reporter).model_copy(update={"float_layers": floats})
        if entry.passed:
            return entry
        count = max(1, 2 * count)
        if count > LARGEST_FLOAT_SHARE * len(forms.blocks):
            for path in (*paths.values(), source.folder / "graphs" / WEIGHTS):
                path.unlink()
            return entry
        order = order or rank(forms, source, reporter)


def rank(forms: Forms, source: Source, reporter: Reporter) -> list[str]:
    """The blocks, first the one without whose rounding the outputs come closest to those in float32."""
    name = ATTENTION if ATTENTION in source.graphs else CLASSIFY
    images, engine = source.images[:RANKING_IMAGES], fp8_candidate()
    exact = outputs_of(engine.load(source.folder / source.graphs[name].file), images)
    errors = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        for block in reporter.track(list(forms.blocks), "ranking what fp8 hurts"):
            forms.write({name: path}, [block])
            errors[block] = distance(outputs_of(engine.load(path), images), exact)
    return sorted(errors, key=errors.__getitem__)


def fp8_candidate() -> Candidate:
    """ONNX Runtime's float32, which computes what an fp8 graph says."""
    (float32,) = [candidate for candidate in candidates() if candidate.key == "onnxruntime/f32"]
    return replace(float32, precision=FP8)
