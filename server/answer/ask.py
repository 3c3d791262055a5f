"""A caller's question about one image, as a transport hands it over."""

from dataclasses import dataclass

from vitscope.server.maps.internals.options import InternalsOptions
from vitscope.server.maps.options import MapOptions

DEFAULT_TOP_K = 5


@dataclass(slots=True)
class EncodedImage:
    """An image file. data: JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF, or HEIC where the server reads it."""

    data: bytes


@dataclass(slots=True)
class RawImage:
    """Pixels. data: uint8 [height, width, 3] RGB, row-major.

    preprocessed: the pixels are already resized and cropped to the model's input.
    """

    data: bytes
    width: int
    height: int
    preprocessed: bool = False


@dataclass(slots=True)
class Ask:
    """One image and what to return for it; nothing has been checked yet.

    size: bytes of the image, which are held until it is answered. model: empty if only one is served. version: 0 for
    the latest that is ready. top_k: number of classes to return, from 1. min_probability: 0..1; classes below it are
    left out; only 0 for a model without probabilities. maps: None for no maps. internals: what of the encoder's inside;
    None for nothing, and only without maps.
    """

    image: EncodedImage | RawImage
    size: int
    model: str = ""
    version: int = 0
    top_k: int = DEFAULT_TOP_K
    min_probability: float = 0.0
    maps: MapOptions | None = None
    internals: InternalsOptions | None = None
