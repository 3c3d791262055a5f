"""The differences between an engine's outputs and the reference, with the bars that they miss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vitscope.bundle import CLASSIFY, CertificateEntry, Cosines, EvidenceFigures, GraphName, Parity, Scale
from vitscope.export.certificate.bars import logit_bars
from vitscope.export.certificate.engines import Candidate, Run
from vitscope.export.certificate.figures import (
    evidence_outputs,
    evidence_shortfalls,
    figures,
    logits_differ,
    map_cosines,
)
from vitscope.export.certificate.reference import Reference
from vitscope.export.methods import Attention, Evidence, Method


@dataclass
class Differences:
    """The differences of one engine, accumulated over all graphs.

    scale: of the reference's logits. cosines: by method, then by graph and layer: the cosine of each row, one for each
    image (and head).
    """

    candidate: Candidate
    scale: Scale
    cosines: dict[Method, dict[tuple[str, int], list[np.ndarray]]] = field(default_factory=dict)
    non_finite: int = 0

    def __post_init__(self) -> None:
        self._of_classify = list[np.ndarray]()
        self._evidence: EvidenceFigures | None = None
        self._evidence_cosines = np.empty(0)
        self._logits = Parity(self.scale, logit_bars(self.candidate.precision, self.scale.activation))

    def add(self, graph: GraphName, outputs: Mapping[str, np.ndarray], reference: Reference) -> None:
        """Compare one batch of a graph's outputs with the reference of the same images."""
        agreeing = outputs["logits"].argmax(-1) == reference.logits.argmax(-1)
        self.non_finite += sum(int(np.count_nonzero(~np.isfinite(value))) for value in outputs.values())
        if self.non_finite:
            return  # nothing else matters then
        self._logits.add(outputs["logits"], reference.logits)
        if graph == CLASSIFY:
            self._of_classify.append(outputs["logits"])
        for method, rows in reference.rows.items():
            found, expected = method.rows(outputs), method.expected(graph, rows)
            if found is None:
                continue
            if method.of_best_class:
                found, expected = found[agreeing], expected[agreeing]
            layers = self.cosines.setdefault(method, {})
            for layer, cosines in enumerate(np.moveaxis(_cosine(found.reshape(expected.shape), expected), 1, 0)):
                layers.setdefault((graph, layer), []).append(cosines.ravel())

    def add_evidence(self, run: Run, reference: Reference) -> None:
        """Compare the evidence graph with the reference, on the images that this has it of."""
        assert reference.evidence is not None
        outputs = evidence_outputs(run, reference.pixels, reference.evidence)
        self.non_finite += sum(int(np.count_nonzero(~np.isfinite(value))) for value in outputs.values())
        if self.non_finite:
            return
        self._logits.add(outputs["logits"], reference.logits[reference.evidence.images])
        classify = np.concatenate(self._of_classify)[reference.evidence.images]
        self._evidence = figures(outputs, classify, reference.evidence, self.scale)
        self._evidence_cosines = map_cosines(outputs["evidence"], reference.evidence.integrated, self.scale)

    def entry(self, images: int) -> CertificateEntry:
        """Summarize the differences and the bars that were missed. Differences are None if outputs are not finite."""
        candidate, logits = self.candidate, self._logits
        if self.non_finite:
            return CertificateEntry(
                engine=candidate.engine, engine_version=candidate.version, precision=candidate.precision,
                images=images, top1_agreement=0, max_logit_error=None, mean_logit_error=None,
                min_attention_cosine=None, mean_attention_cosine=None, non_finite=self.non_finite,
                shortfalls=(f"{self.non_finite} output values are NaN or infinite, none is accepted",),
            )  # fmt: skip
        cosines: dict[str, Cosines] = {}
        shortfalls = list(logits.shortfalls())
        for method, by_layer in self.cosines.items():
            layers = [rows for parts in by_layer.values() if len(rows := np.concatenate(parts))]
            if not layers:  # of the most probable class, which was another one for every image
                continue
            cosines[method.name] = found = _summary(layers)
            shortfalls += _shortfalls(method, found, len(layers), candidate.precision)
        if self._evidence:
            if len(self._evidence_cosines):
                cosines[Evidence.name] = _summary([self._evidence_cosines])
            shortfalls += evidence_shortfalls(self._evidence, cosines.get(Evidence.name), candidate.precision)
            shortfalls += logits_differ(self._evidence, self.scale) if candidate.precision == "f32" else []
        attention = cosines.get(Attention.name)
        return CertificateEntry(
            engine=candidate.engine, engine_version=candidate.version, precision=candidate.precision, images=images,
            top1_agreement=logits.agreement, max_logit_error=logits.worst, mean_logit_error=logits.mean,
            logit_spread=logits.spread, max_probability_error=logits.probability,
            min_attention_cosine=attention.lowest if attention else None,
            mean_attention_cosine=attention.mean if attention else None,
            cosines=cosines, evidence=self._evidence, non_finite=0, shortfalls=tuple(shortfalls),
        )  # fmt: skip


def _summary(layers: Sequence[np.ndarray]) -> Cosines:
    """Reduce the cosines of each layer to the lowest one and the lowest mean."""
    lowest = min(float(layer.min()) for layer in layers)
    mean = min(float(layer.mean()) for layer in layers)
    return Cosines(lowest=float(np.clip(lowest, -1, 1)), mean=float(np.clip(mean, -1, 1)))


def _shortfalls(method: Method, found: Cosines, layers: int, precision: str) -> list[str]:
    bar, shortfalls = method.bar, []
    if precision != "f32" and found.mean < bar.cosine:
        of_layer = " of a layer" if layers > 1 else ""
        shortfalls.append(
            f"the mean {method.name} cosine{of_layer} is {found.mean:.5f}, at least {bar.cosine} is accepted"
        )
    floor = bar.cosine if precision == "f32" else bar.floor
    if found.lowest < floor:
        shortfalls.append(f"the {method.name} cosine falls to {found.lowest:.5f}, at least {floor} is accepted")
    return shortfalls


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    # A row of zeros has no direction: it agrees with nothing.
    cosine: np.ndarray = np.einsum("...t,...t->...", a, b) / np.maximum(norms, 1e-30)
    return cosine
