"""Scaled pixels are taken only where the certificate vouches for them."""

from typing import Any

import pytest

from vitscope.bundle import Certificate, PixelEntry
from vitscope.server.images.resample import SIMD
from vitscope.server.models.pixels import pixel_path


def certificate(**changes: Any) -> Certificate:
    entry = PixelEntry(
        decoding="scaled", images=24, simd=True, agreement=1, max_logit_error=0.1, mean_logit_error=0.01, logit_spread=2
    )
    return Certificate(pixels=(entry.model_copy(update=changes),))


FAILED = certificate(shortfalls=("logits differ by up to 5",))
REFUSED = Certificate(not_measured={"pixels/scaled": "no image code there"})


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (Certificate(), "exported before that was measured, or uncertified"),
        (REFUSED, "no image code there"),
        (FAILED, "scaled pixels failed certification: logits differ by up to 5"),
    ],
)
def test_without_a_row_that_passes_pixels_are_exact(found: Certificate, reason: str) -> None:
    path = pixel_path(found, "scaled", allow_uncertified=False)
    assert path.decoding == "exact" and reason in path.reason
    path = pixel_path(found, "scaled", allow_uncertified=True)
    assert path.decoding == "scaled" and path.reason.startswith("NOT CERTIFIED: ") and reason in path.reason


def test_with_one_they_are_scaled_unless_exact_ones_are_asked_for() -> None:
    assert pixel_path(certificate(), "scaled", allow_uncertified=False).decoding == "scaled"
    assert pixel_path(certificate(), "exact", allow_uncertified=True).decoding == "exact"


@pytest.mark.skipif(not SIMD, reason="this platform has no resizer with SIMD")
def test_a_row_of_a_machine_without_simd_says_nothing_about_simd() -> None:
    assert pixel_path(certificate(simd=False), "scaled", allow_uncertified=False).decoding == "exact"
