"""The schema of certificate.json: how close each engine and precision is to the source checkpoint."""

from pydantic import Field

from vitscope.bundle.manifest import Natural, Positive, Sha256, Strict


class CertificateEntry(Strict):
    """One engine and precision against the source checkpoint in PyTorch float32, on real images.

    top1_agreement: share of images with the same most probable class, 0..1. max_logit_error: largest absolute difference.
    min_attention_cosine: smallest cosine between CLS rows of any image, layer and head; mean_attention_cosine: the mean over
    images and heads of the layer where it is lowest; both None without attention.
    non_finite: output values that are NaN or infinite. shortfalls: the bars that were missed, in words.
    float_layers: for int8 and fp8, the (parts of) encoder blocks that stayed in wider numbers, because 8 bits hurt them most.
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
    non_finite: Natural
    shortfalls: tuple[str, ...] = ()
    float_layers: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.shortfalls


class Certificate(Strict):
    """certificate.json. `images_sha256` identifies the images that were compared; processor: CPU model name."""

    images_sha256: Sha256 | None = None
    processor: str = ""
    entries: tuple[CertificateEntry, ...] = ()
    not_measured: dict[str, str] = Field(default_factory=dict)

    def entry(self, engine: str, precision: str) -> CertificateEntry | None:
        """The measurement of this engine and precision, or None where it was never made."""
        return next((e for e in self.entries if (e.engine, e.precision) == (engine, precision)), None)
