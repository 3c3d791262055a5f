"""What the header of a file says about the work of decoding it."""

from dataclasses import dataclass


@dataclass(slots=True)
class Shape:
    """The size and the coding of a file's first picture, by its header; (0, 0) where it cannot be read.

    coding: a key of `cost.RATES`. passes: times that a decoder goes over every pixel. parts: separate pieces, such as
    the strips of a TIFF, each of which takes `part_seconds` however small it is. scalable: the decoder can reduce it
    without ever holding all its pixels.
    """

    width: int
    height: int
    coding: str
    passes: float = 1.0
    parts: int = 0
    part_seconds: float = 0.0
    scalable: bool = False
