"""Signals of model quality and input drift that need no labelled data.

Their distributions are compared over time. A drift is a reason to look, not a proof of worse answers.
"""

from dataclasses import dataclass
from functools import partial

from vitscope.server.metrics.families import VERSION, Families

_SHARES = (*(round(0.05 * k, 2) for k in range(1, 20)), 0.99, 1.0)
_PIXELS = tuple(4**k for k in range(4, 14))  # 256 to 67 million


@dataclass(frozen=True, slots=True)
class EvidenceLies:
    """Where the evidence for a class lies, as shares 0..1: on border patches, on prefix tokens, and on outliers.

    None where that is not known.
    """

    border: float
    prefix: float | None
    outliers: float | None


@dataclass(slots=True)
class Quality:
    """The signals of one answer.

    confidence, margin: as in `Ranking`, 0..1; None if the model's answers are plain values. entropy: of the attention,
    0..1; None if the graph has no attention output. brightness: of the model's input, 0..1. pixels: of the
    image as sent. evidence: of the first map, where it is one of evidence.
    """

    confidence: float | None
    margin: float | None
    entropy: float | None
    brightness: float
    pixels: int
    evidence: EvidenceLies | None = None


class QualityMetrics:
    """The distributions of the signals. low_confidence: answers below it are counted in a series of their own."""

    def __init__(self, families: Families, low_confidence: float) -> None:
        self.low_confidence = low_confidence
        share = partial(families.histogram, labels=VERSION, buckets=_SHARES)
        self.confidence = share(
            "vitscope_confidence_ratio",
            "Probability of the first class; of independent labels, that the least certain one is decided rightly.",
        )
        self.margin = share(
            "vitscope_margin_ratio",
            "Probability of the first class, less that of the second; of independent labels, of the least certain "
            "label's decision, less that of its opposite.",
        )
        self.entropy = share(
            "vitscope_attention_entropy_ratio",
            "Entropy of the last layer's attention of the class token over the patches: 0 one patch, 1 all alike.",
        )
        self.brightness = share(
            "vitscope_brightness_ratio", "Mean of the pixels of the model's input: 0 black, 1 white."
        )
        self.pixels = families.histogram(
            "vitscope_image_pixels", "Width times height of the image as sent.", VERSION, _PIXELS
        )
        self.evidence_border = share(
            "vitscope_evidence_border_ratio",
            "Share of the evidence in patches that lies in the outer rows and columns.",
        )
        self.evidence_prefix = share(
            "vitscope_evidence_prefix_ratio",
            "Share of the evidence that was read from tokens before the patches: class token, registers.",
        )
        self.evidence_outliers = share(
            "vitscope_evidence_outlier_ratio", "Share of the evidence in patches that lies on tokens of outlying norm."
        )
        self.low = families.counter(
            "vitscope_low_confidence", "Answers whose confidence is less than low_confidence.", VERSION
        )

    def of(self, model: str, version: str) -> "VersionQuality":
        """Return the observer of one model version."""
        return VersionQuality(self, (model, version))


class VersionQuality:
    """Observes the answers of one model version."""

    def __init__(self, family: QualityMetrics, labels: tuple[str, str]) -> None:
        self._least = family.low_confidence
        self._confidence, self._margin = family.confidence.labels(*labels), family.margin.labels(*labels)
        self._entropy, self._brightness = family.entropy.labels(*labels), family.brightness.labels(*labels)
        self._evidence = {  # made when first observed: most versions are never asked for evidence
            "border": family.evidence_border, "prefix": family.evidence_prefix, "outliers": family.evidence_outliers,
        }  # fmt: skip
        self._labels = labels
        self._pixels, self._low = family.pixels.labels(*labels), family.low.labels(*labels)

    def observe(self, quality: Quality) -> None:
        """Add one answer."""
        if quality.confidence is not None:
            self._confidence.observe(quality.confidence)
            if quality.confidence < self._least:
                self._low.inc()
        if quality.margin is not None:
            self._margin.observe(quality.margin)
        if quality.entropy is not None:
            self._entropy.observe(quality.entropy)
        if quality.evidence is not None:
            self._observe_evidence(quality.evidence)
        self._brightness.observe(quality.brightness)
        self._pixels.observe(quality.pixels)

    def _observe_evidence(self, evidence: EvidenceLies) -> None:
        shares = {"border": evidence.border, "prefix": evidence.prefix, "outliers": evidence.outliers}
        for name, share in shares.items():
            if share is not None:
                self._evidence[name].labels(*self._labels).observe(share)
