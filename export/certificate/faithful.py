"""Whether maps say what the model goes by: figures of evidence from outside, on images that the model is sure of.

Everything is measured with the exported graphs in one engine: that the others have the same maps is certified before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitscope.bundle import (
    CLASSIFY,
    EVIDENCE,
    Activation,
    Faithfulness,
    Fill,
    GraphName,
    Removal,
    TokenGeometry,
    probabilities,
)
from vitscope.export.certificate.engines import Run, candidates
from vitscope.export.certificate.reference import Reference
from vitscope.export.errors import ExportError
from vitscope.export.faithfulness import CHANCE, FILLS, curves, filled, interval, mosaics, pointing
from vitscope.export.methods import Attention, Evidence
from vitscope.export.progress import Reporter

BATCH = 8
IMAGES, MOSAICS = 24, 24  # at most: what the certificate may cost
FEWEST_IMAGES, FEWEST_MOSAICS = 8, 6  # below which an interval says nothing


@dataclass(frozen=True)
class Explained:
    """The graphs of one engine that are measured, and what their outputs mean."""

    classify: Run
    evidence: Run
    tokens: TokenGeometry
    activation: Activation
    temperature: float

    def score(self, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return the probabilities [N] of `classes` [N]."""
        logits = np.concatenate([self.classify(part)["logits"] for part in _batches(pixels)])
        found = probabilities(logits, self.activation, self.temperature)
        assert found is not None
        scores: np.ndarray = found[np.arange(len(classes)), classes]
        return scores

    def shares(self, pixels: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return the evidence of `classes` [N, K] as maps, [N, K, rows, cols]."""
        parts = [
            self.evidence(part, target_class=of) for part, of in zip(*map(_batches, (pixels, classes)), strict=True)
        ]
        maps = np.concatenate([part[Evidence.name] for part in parts])
        return maps.reshape(*classes.shape, self.tokens.grid_rows, self.tokens.grid_cols)

    def attention(self, pixels: np.ndarray) -> np.ndarray | None:
        """Return the attention of the last layer, mean over heads, [N, rows, cols]; None for graphs without it."""
        parts = [self.classify(part).get(Attention.name) for part in _batches(pixels)]
        found = [part.mean(axis=1) for part in parts if part is not None]
        return np.concatenate(found).reshape(-1, self.tokens.grid_rows, self.tokens.grid_cols) if found else None


def faithfulness_of(
    graphs: Mapping[GraphName, Path], tokens: TokenGeometry, reference: Reference, reporter: Reporter
) -> Faithfulness:
    """Measure the graphs `classify` and `evidence` in ONNX Runtime. Raises ExportError for evidence below a bar."""
    load = candidates()[0].load
    with reporter.stage("taking away what evidence says the model goes by"):
        found = certify_faithfulness(
            Explained(
                load(graphs[CLASSIFY]), load(graphs[EVIDENCE]), tokens, reference.activation, reference.temperature
            ),
            reference,
        )
    if found.shortfalls:
        raise ExportError(
            f"evidence is worse than chance, so nothing was published: {'; '.join(found.shortfalls)} "
            "(accepted: --no-evidence, or --no-faithfulness, which publishes without measuring this)"
        )
    return found


def certify_faithfulness(explained: Explained, reference: Reference) -> Faithfulness:
    """Measure how faithful evidence is on those images of the reference that the model is sure of."""
    shares = probabilities(reference.logits, explained.activation, explained.temperature)
    if shares is None:
        why = "a regression is never sure or unsure"
        return Faithfulness(confident=0, not_measured={"removals": why, "grid": why})
    sure = np.flatnonzero(shares.max(axis=1) >= sure_from(shares.shape[1], explained.activation))
    classes = reference.logits.argmax(axis=1)
    found = Faithfulness(confident=len(sure))
    found = _removals(explained, reference.pixels, classes, sure, found)
    found = _grid(explained, reference.pixels[sure], classes[sure], found)
    return found.model_copy(update={"shortfalls": tuple(_shortfalls(found)), "unproven": tuple(_unproven(found))})


def sure_from(classes: int, activation: Activation) -> float:
    """Return the probability from which a model is sure of a class: half-way from chance to certainty."""
    chance = 1 / classes if activation == "softmax" else 0.5
    return (1 + chance) / 2


def _removals(
    explained: Explained, pixels: np.ndarray, classes: np.ndarray, sure: np.ndarray, found: Faithfulness
) -> Faithfulness:
    if len(sure) < FEWEST_IMAGES:
        why = f"the model is sure of {len(sure)} of {len(pixels)} images, and at least {FEWEST_IMAGES} are needed"
        return found.model_copy(update={"not_measured": {**found.not_measured, "removals": why}})
    chosen = sure[np.linspace(0, len(sure) - 1, min(len(sure), IMAGES)).round().astype(int)]
    images, of = pixels[chosen], classes[chosen]
    evidence, attention = explained.shares(images, of[:, None])[:, 0], explained.attention(images)
    rows = [_removal(explained, images, of, evidence, attention, fill) for fill in FILLS]
    return found.model_copy(update={"images": len(chosen), "removals": tuple(rows)})


def _removal(
    explained: Explained,
    images: np.ndarray,
    classes: np.ndarray,
    evidence: np.ndarray,
    attention: np.ndarray | None,
    fill: Fill,
) -> Removal:
    without = filled(images, fill, *evidence.shape[1:])
    own = curves(explained.score, images, without, classes, evidence)
    theirs = None if attention is None else curves(explained.score, images, without, classes, attention)
    return Removal(
        fill=fill,
        evidence=interval(own.gain),
        attention=None if theirs is None else interval(theirs.gain),
        over_attention=None if theirs is None else interval(own.gain - theirs.gain),
        insertion=interval(own.insertion),
        deletion=interval(own.deletion),
    )


def _grid(explained: Explained, pixels: np.ndarray, classes: np.ndarray, found: Faithfulness) -> Faithfulness:
    tokens = explained.tokens
    made = mosaics(pixels, classes, tokens.grid_rows, tokens.grid_cols, MOSAICS)
    if len(made.pixels) < FEWEST_MOSAICS:
        why = (
            f"the images that the model is sure of make {len(made.pixels)} mosaics of four classes each, and at least "
            f"{FEWEST_MOSAICS} are needed"
        )
        return found.model_copy(update={"not_measured": {**found.not_measured, "grid": why}})
    shares = pointing(explained.shares(made.pixels, made.classes))
    return found.model_copy(update={"mosaics": len(shares), "grid": interval(shares)})


def _shortfalls(found: Faithfulness) -> Iterable[str]:
    """Describe what is certainly worse than chance."""
    for row in found.removals:
        if row.evidence.high < 0:
            yield f"{_srg(row, found)}; accepted: not below 0, which a random order has"
    if found.grid and found.grid.high < CHANCE:
        yield f"{_pointing(found)}; accepted: not below {CHANCE:.0%}, which a map of no class has"


def _unproven(found: Faithfulness) -> Iterable[str]:
    """Describe what is not certainly better than chance."""
    for row in found.removals:
        if row.evidence.low <= 0 <= row.evidence.high:
            yield f"{_srg(row, found)}, and a random order has 0"
    if found.grid and found.grid.low <= CHANCE <= found.grid.high:
        yield f"{_pointing(found)}, and a map of no class has {CHANCE:.0%}"


def _srg(row: Removal, found: Faithfulness) -> str:
    gain, fill = row.evidence, row.fill.replace("_", " ")
    return (
        f"SRG of evidence, patches becoming their {fill}, is {gain.mean:.3f} on {found.images} images (95 %: "
        f"{gain.low:.3f} to {gain.high:.3f})"
    )


def _pointing(found: Faithfulness) -> str:
    assert found.grid
    return (
        f"{found.grid.mean:.1%} of the evidence in {found.mosaics} mosaics is in the right cell (95 %: "
        f"{found.grid.low:.1%} to {found.grid.high:.1%})"
    )


def _batches(values: np.ndarray) -> list[np.ndarray]:
    return [values[start : start + BATCH] for start in range(0, len(values), BATCH)]
