"""What one request's image goes through before it is queued."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from bundle import InputContract, TokenGeometry
from server.errors import InvalidRequest
from server.images.decode import decode
from server.images.geometry import Geometry, locate
from server.images.limits import ImageLimits, check_pixels
from server.images.transform import plan_fit, transform

# Longer side of the largest picture that can be asked for; a kept photo needs no more.
PHOTO_SIDE = 2048


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image ready for the engine.

    pixels: uint8 [H, W, 3] RGB, C-contiguous, read-only. photo: the upright image, reduced to a longer side of 2048 pixels
    where it was larger; None unless it was asked for.
    """

    pixels: np.ndarray
    geometry: Geometry
    photo: Image.Image | None


def prepare_encoded(
    data: bytes, contract: InputContract, tokens: TokenGeometry, limits: ImageLimits, keep_photo: bool
) -> Prepared:
    """Decode a file and fit it to the model's input.

    Raises InvalidRequest for a file that is refused, damaged or over a limit.
    """
    image, orientation = decode(data, limits)
    return _fitted("image.encoded", image, orientation, contract, tokens, limits, keep_photo)


def prepare_raw(
    rgb: bytes,
    width: int,
    height: int,
    preprocessed: bool,
    contract: InputContract,
    tokens: TokenGeometry,
    limits: ImageLimits,
    keep_photo: bool,
) -> Prepared:
    """Fit width x height RGB pixels to the model's input; `preprocessed` ones are taken as they are.

    Raises InvalidRequest when the sizes are zero, over a limit or not those of `rgb`, or when preprocessed pixels do not
    have the size of the model's input.
    """
    for field, side in (("image.raw.width", width), ("image.raw.height", height)):
        if side <= 0:
            raise InvalidRequest(field, str(side), "at least 1")
    check_pixels("image.raw", (width, height), limits)
    if len(rgb) != width * height * 3:
        expected = f"{width} x {height} x 3 = {width * height * 3:,} bytes"
        raise InvalidRequest("image.raw.rgb", f"{len(rgb):,} bytes", expected)
    if not preprocessed:
        image = Image.frombytes("RGB", (width, height), rgb)
        return _fitted("image.raw", image, 1, contract, tokens, limits, keep_photo)
    if (width, height) != (contract.width, contract.height):
        raise InvalidRequest(
            "image.raw.preprocessed",
            f"{width}x{height} pixels",
            f"exactly the model's input, {contract.width}x{contract.height}, or preprocessed = false",
        )
    pixels = np.frombuffer(rgb, np.uint8).reshape(height, width, 3)
    geometry = locate((width, height), 1, None, contract, tokens)
    return Prepared(pixels, geometry, _photo(Image.fromarray(pixels)) if keep_photo else None)


def _fitted(
    field: str,
    image: Image.Image,
    orientation: int,
    contract: InputContract,
    tokens: TokenGeometry,
    limits: ImageLimits,
    keep_photo: bool,
) -> Prepared:
    fit = plan_fit(image.size, contract)
    if fit.width * fit.height > limits.max_pixels:  # a hair-thin image scaled to its shorter side is a bomb of its own
        raise InvalidRequest(
            field,
            f"{image.width}x{image.height} pixels, to be resized to {fit.width}x{fit.height} for this model",
            f"at most {limits.max_pixels:,} pixels after resizing",
        )
    pixels = transform(image, fit, contract)
    return Prepared(
        pixels, locate(image.size, orientation, fit, contract, tokens), _photo(image) if keep_photo else None
    )


def _photo(image: Image.Image) -> Image.Image:
    longer = max(image.size)
    if longer <= PHOTO_SIDE:
        return image
    width, height = (max(1, round(side * PHOTO_SIDE / longer)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
