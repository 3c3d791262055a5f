"""The figures of the evidence of one engine and precision, and the bars that they miss."""

from collections.abc import Iterator, Mapping

import numpy as np

from vitscope.bundle import F32_SHARE, Cosines, EvidenceFigures, Scale
from vitscope.export.certificate.engines import Run
from vitscope.export.certificate.evidence import (
    COMPLETE_BAR,
    SHARE_BAR,
    EvidenceReference,
    lacking_share,
    rank_correlations,
    relative_error,
    steep,
)
from vitscope.export.methods import Evidence

BATCH = 8
# Of a reduced precision: least mean rank correlation, and largest share of the spread that ledgers may lack.
RANKS, LACKING = 0.9, 0.1


def evidence_outputs(run: Run, pixels: np.ndarray, reference: EvidenceReference) -> dict[str, np.ndarray]:
    """Run the evidence graph on the reference's images and classes. pixels: of the whole certificate."""
    parts = []
    for start in range(0, len(reference.images), BATCH):
        part = slice(start, start + BATCH)
        parts.append(run(pixels[reference.images[part]], target_class=reference.classes[part]))
    return {name: np.concatenate([outputs[name] for outputs in parts]) for name in parts[0]}


def figures(
    outputs: Mapping[str, np.ndarray], classify: np.ndarray, reference: EvidenceReference, scale: Scale
) -> EvidenceFigures:
    """Compare the outputs of the evidence graph. classify: logits of the other graph on the same images."""
    found, ledger = outputs["evidence"], outputs["evidence_ledger"].astype(np.float64)
    missing = ledger[..., 1:4].sum(axis=-1) + found.sum(axis=-1, dtype=np.float64) - ledger[..., 0]
    ranks = rank_correlations(found, reference.integrated, scale)
    return EvidenceFigures(
        images=len(found),
        gradient_error=relative_error(outputs["evidence_gradient"], reference.gradient, scale),
        integrated_error=relative_error(found, reference.integrated, scale),
        completeness_error=lacking_share(missing, scale),
        logit_error=float(np.abs(outputs["logits"] - classify).max()),
        rank_correlation=float(ranks.min()) if len(ranks) else None,
        mean_rank_correlation=float(ranks.mean()) if len(ranks) else None,
    )


def map_cosines(found: np.ndarray, expected: np.ndarray, scale: Scale) -> np.ndarray:
    """Return the cosine of each map [M, K, P] with what is expected, where that is not flat."""
    found, expected = (maps.reshape(-1, maps.shape[-1]).astype(np.float64) for maps in (found, expected))
    chosen = steep(expected, scale)
    found, expected = found[chosen], expected[chosen]
    sizes = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1)
    cosines: np.ndarray = (found * expected).sum(axis=-1) / np.maximum(sizes, 1e-30)
    return cosines


def evidence_shortfalls(found: EvidenceFigures, cosines: Cosines | None, precision: str) -> Iterator[str]:
    """Describe each bar that is missed."""
    if precision == "f32":
        for name, error in (("gradient", found.gradient_error), ("integrated", found.integrated_error)):
            if error > SHARE_BAR:
                yield f"{name} evidence is {error:.1e} of its norm off, at most {SHARE_BAR:.0e} is accepted"
    elif found.mean_rank_correlation is not None and found.mean_rank_correlation < RANKS:
        ranks = found.mean_rank_correlation
        yield f"the mean rank correlation of evidence is {ranks:.3f}, at least {RANKS} is accepted"
    most = COMPLETE_BAR if precision == "f32" else LACKING
    if found.completeness_error > most:
        yield (
            f"evidence adds up to the target but for {found.completeness_error:.1e} of the spread of the logits, at "
            f"most {most:.0e} is accepted"
        )
    bar = Evidence.bar
    if cosines and cosines.mean < bar.cosine:
        yield f"the mean evidence cosine is {cosines.mean:.5f}, at least {bar.cosine} is accepted"
    if cosines and cosines.lowest < bar.floor:
        yield f"the evidence cosine falls to {cosines.lowest:.5f}, at least {bar.floor} is accepted"


def logits_differ(found: EvidenceFigures, scale: Scale) -> Iterator[str]:
    """Describe logits of the evidence graph that are not those of the classify graph, in the same engine."""
    most = float(scale.tolerance(F32_SHARE).min())
    if found.logit_error > most:
        yield f"logits of the graphs evidence and classify differ by {found.logit_error:.1e}, at most {most:.1e}"
