"""The schema of certificate.json: how close each engine and precision is to the source checkpoint."""

from typing import Any, Literal

from pydantic import Field

from vitscope.bundle.faithfulness import Faithfulness
from vitscope.bundle.fields import Identifier, Natural, Positive, Sha256, Strict


class Cosines(Strict):
    """Cosines between the rows of an explanation method and those of the checkpoint, -1..1.

    lowest: of any row. mean: over images and heads, of the layer in which it is lowest.
    """

    lowest: float
    mean: float


def _of_attention(entry: dict[str, Any]) -> dict[str, Cosines]:
    """Return the cosines of an entry that was written before there were other methods than attention."""
    lowest, mean = entry.get("min_attention_cosine"), entry.get("mean_attention_cosine")
    return {} if lowest is None or mean is None else {"attention": Cosines(lowest=lowest, mean=mean)}


class EvidenceFigures(Strict):
    """The evidence of one engine and precision against automatic differentiation of the checkpoint, on some images.

    gradient_error, integrated_error: largest distance of a map, as a share of its norm, from the derivative and from an
    integral with 64 nodes. completeness_error: largest difference between a target and the sum of its base and shares,
    as a share of the spread of the logits. logit_error: largest difference between the logits of the graphs `evidence`
    and `classify`. rank_correlation, mean_rank_correlation: Spearman's, lowest and mean; None where all maps are flat.
    """

    images: Positive
    gradient_error: float
    integrated_error: float
    completeness_error: float
    logit_error: float
    rank_correlation: float | None
    mean_rank_correlation: float | None


class EvidenceSanity(Strict):
    """Whether evidence depends on what it should: the mean rank correlation of maps, None where all maps are flat.

    other_class: between the most probable class and the next one. random_head: between the head and random weights.
    """

    other_class: float | None
    random_head: float | None
    shortfalls: tuple[str, ...] = ()


class CertificateEntry(Strict):
    """One engine and precision against the source checkpoint in PyTorch float32, on real images.

    top1_agreement: share of images with the same answer, 0..1: the most probable class; of a head with sigmoid the set
    of labels at 0.5; 1 where there are only values. max_logit_error: largest absolute difference. logit_spread:
    standard deviation of the checkpoint's logits. max_probability_error: largest difference of a probability; None
    without probabilities. Both are None in a certificate of an earlier vitscope. cosines: by explanation method.
    min_attention_cosine, mean_attention_cosine: those of attention, None without it. evidence: None without it, and if
    outputs are not finite. non_finite: output values that are
    NaN or infinite. shortfalls: the bars that were missed, as text. float_layers: for int8 and fp8, the encoder blocks
    or halves of them that stayed in floating point, because 8 bits hurt them most.
    """

    engine: str
    engine_version: str
    precision: str
    images: Positive
    top1_agreement: float = Field(ge=0, le=1)
    max_logit_error: float | None
    mean_logit_error: float | None
    min_attention_cosine: float | None
    mean_attention_cosine: float | None
    cosines: dict[Identifier, Cosines] = Field(default_factory=_of_attention)
    evidence: EvidenceFigures | None = None
    logit_spread: float | None = None
    max_probability_error: float | None = None
    non_finite: Natural
    shortfalls: tuple[str, ...] = ()
    float_layers: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.shortfalls


class PixelEntry(Strict):
    """One way of the server from an image's bytes to the model's pixels: its effect on the logits, in float32.

    exact: Pillow's pixels, against the checkpoint with its own processor. scaled: JPEG files decoded at reduced size
    and resizing with SIMD, against exact, on the images where the server takes that way. Where the certificate's own
    are too small for it, copies of them are enlarged to JPEG files. images: compared, of which so many were `enlarged`.
    simd: whether the resizer was the one with SIMD. agreement: share of images with the same answer, as
    `top1_agreement` of a `CertificateEntry`, as are the other figures.
    """

    decoding: Literal["exact", "scaled"]
    images: Positive
    enlarged: Natural = 0
    simd: bool
    agreement: float = Field(ge=0, le=1)
    max_logit_error: float
    mean_logit_error: float
    logit_spread: float
    max_probability_error: float | None = None
    shortfalls: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.shortfalls


class Certificate(Strict):
    """certificate.json. `images_sha256` identifies the images that were compared; processor: CPU model name.

    pixels: none in a certificate of an earlier vitscope. evidence_sanity: None without evidence. faithfulness:
    of evidence; None without it, where it was not asked for, and in a certificate of an earlier vitscope. not_measured:
    the reason, by "engine/precision" or "pixels/decoding".
    """

    images_sha256: Sha256 | None = None
    processor: str = ""
    entries: tuple[CertificateEntry, ...] = ()
    pixels: tuple[PixelEntry, ...] = ()
    evidence_sanity: EvidenceSanity | None = None
    faithfulness: Faithfulness | None = None
    not_measured: dict[str, str] = Field(default_factory=dict)

    def entry(self, engine: str, precision: str) -> CertificateEntry | None:
        """Return the measurement of this engine and precision, or None if there is none."""
        return next((e for e in self.entries if (e.engine, e.precision) == (engine, precision)), None)

    def pixel_entry(self, decoding: str) -> PixelEntry | None:
        """Return the measurement of this way to pixels, or None if there is none."""
        return next((entry for entry in self.pixels if entry.decoding == decoding), None)
