"""What a caller asks about one image, as a transport hands it over."""

from dataclasses import dataclass

from vitscope.server.maps.options import MapOptions

DEFAULT_TOP_K = 5


@dataclass(slots=True)
class EncodedImage:
    """A file. data: JPEG, PNG, WebP, GIF, BMP or TIFF."""

    data: bytes


@dataclass(slots=True)
class RawImage:
    """Pixels. data: uint8 [height, width, 3] RGB, row-major. preprocessed: it has been resized and cropped as the model needs it."""

    data: bytes
    width: int
    height: int
    preprocessed: bool = False


@dataclass(slots=True)
class Ask:
    """One image and what to say about it; nothing has been checked yet.

    size: bytes of the image, which are held until it is answered. model: empty for the only one there is. version: 0 for
    the latest that is ready. top_k: classes to return, from 1. min_probability: 0..1, classes below it are left out. maps:
    None asks for none.
    """

    image: EncodedImage | RawImage
    size: int
    model: str = ""
    version: int = 0
    top_k: int = DEFAULT_TOP_K
    min_probability: float = 0.0
    maps: MapOptions | None = None
