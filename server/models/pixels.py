"""How a model's images become pixels: by the shortcuts where its certificate vouches for them, exactly elsewhere."""

from dataclasses import dataclass

from vitscope.bundle import Certificate
from vitscope.server.images.limits import Decoding
from vitscope.server.images.resample import SIMD


@dataclass(frozen=True)
class PixelPath:
    """The way to pixels that a model is served with, and why, in one sentence."""

    decoding: Decoding
    reason: str


def pixel_path(certificate: Certificate, wanted: Decoding, allow_uncertified: bool) -> PixelPath:
    """Return the way to pixels for a bundle. wanted: the operator's setting; scaled means where it is certified."""
    if wanted == "exact":
        return PixelPath("exact", "as asked for")
    doubt = _doubt(certificate)
    if doubt is None:
        return PixelPath("scaled", "the certificate covers it")
    if allow_uncertified:
        return PixelPath("scaled", f"NOT CERTIFIED: {doubt}")
    return PixelPath("exact", doubt)


def _doubt(certificate: Certificate) -> str | None:
    """Return why the certificate does not vouch for scaled pixels, or None where it does."""
    entry = certificate.pixel_entry("scaled")
    if entry is None:
        detail = certificate.not_measured.get("pixels/scaled", "exported before that was measured, or uncertified")
        return f"the certificate does not cover scaled pixels ({detail})"
    if not entry.passed:
        return "scaled pixels failed certification: " + "; ".join(entry.shortfalls)
    if SIMD and not entry.simd:
        return "scaled pixels were certified without SIMD, which resizes here"
    return None
