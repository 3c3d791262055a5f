"""How images become a model's pixels on the server, and what that changes in the answers."""

from dataclasses import dataclass
from typing import Self

from vitscope.v1 import model_pb2


@dataclass(frozen=True)
class PixelEntry:
    """What one way from an image file to pixels changes in the answers, measured at export in float32.

    "exact" is compared with the source checkpoint and its own processor, "scaled" with "exact".
    """

    decoding: str
    """"exact" or "scaled"."""
    passed: bool
    """True when every threshold was met."""
    images: int
    """Number of images compared."""
    enlarged: int
    """How many of them are enlarged copies, since the images at hand were too small for "scaled"."""
    agreement: float
    """Share of images with the same answer, 0 to 1, as `CertificateEntry.top1_agreement`."""
    max_logit_error: float
    """Largest absolute difference of a logit."""
    mean_logit_error: float
    """Mean absolute difference of a logit."""
    logit_spread: float
    """Standard deviation of the logits themselves."""
    max_probability_error: float
    """Largest difference of a probability, 0 to 1; 0 for a model without probabilities."""

    @classmethod
    def of(cls, message: model_pb2.PixelEntry) -> Self:
        """Convert a received message."""
        return cls(
            decoding=message.decoding,
            passed=message.passed,
            images=message.images,
            enlarged=message.enlarged,
            agreement=message.agreement,
            max_logit_error=message.max_logit_error,
            mean_logit_error=message.mean_logit_error,
            logit_spread=message.logit_spread,
            max_probability_error=message.max_probability_error,
        )


@dataclass(frozen=True)
class ImageDecoding:
    """How images become the model's pixels on this server."""

    decoding: str = ""
    """"exact" (the pixels of the model's own processor) or "scaled" (faster ones that differ a little); empty from a
    server that does not report it."""
    reason: str = ""
    """Why, in one sentence."""
    certificate: tuple[PixelEntry, ...] = ()
    """What each of them changes; empty where it was not measured."""

    @classmethod
    def of(cls, message: model_pb2.ImageDecoding) -> Self:
        """Convert a received message."""
        return cls(message.decoding, message.reason, tuple(map(PixelEntry.of, message.certificate)))
