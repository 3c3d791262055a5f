"""What the certificate says of how faithful maps are, measured with images from which patches are taken away."""

from typing import Literal

from pydantic import Field

from vitscope.bundle.fields import Natural, Strict

Fill = Literal["patch_mean", "mean_colour"]
"""What patches that are taken away become: each its own mean colour, or all the mean colour of the images."""


class Interval(Strict):
    """A mean over images and its 95 % interval, by the bootstrap."""

    mean: float
    low: float
    high: float


class Removal(Strict):
    """What taking patches away does to the probability of the class, with one fill.

    evidence, attention: SRG, -1..1: the area below the curve, least relevant patches first, less that with the most
    relevant ones first; 0 for a map that says nothing. over_attention: the difference, image by image. insertion,
    deletion: these two areas, of evidence. attention and over_attention: None without that method.
    """

    fill: Fill
    evidence: Interval
    attention: Interval | None = None
    over_attention: Interval | None = None
    insertion: Interval
    deletion: Interval


class Faithfulness(Strict):
    """How faithful evidence is on images that the model is sure of, in ONNX Runtime and float32.

    confident: images of the certificate with such an answer, of which `images` were used for `removals`. mosaics:
    pictures made of four images. grid: the share of positive evidence in the right cell of these, 0..1; 0.25 for a map
    that is the same for all classes. not_measured: the reason, by "removals" or "grid". shortfalls: what is certainly
    worse than chance, as text; such a bundle is not published. unproven: what is not certainly better than chance.
    """

    confident: Natural
    images: Natural = 0
    removals: tuple[Removal, ...] = ()
    mosaics: Natural = 0
    grid: Interval | None = None
    not_measured: dict[Literal["removals", "grid"], str] = Field(default_factory=dict)
    shortfalls: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
