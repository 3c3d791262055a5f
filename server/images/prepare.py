"""From the image of a request to the engine's pixels."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

from vitscope.bundle import InputContract, TokenGeometry
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.decode import UPRIGHT, load, read_orientation, swap_sideways
from vitscope.server.images.geometry import Geometry, locate
from vitscope.server.images.header import open_image
from vitscope.server.images.large import decode_large, is_large
from vitscope.server.images.limits import ImageLimits, check_pixels
from vitscope.server.images.mangled import explain
from vitscope.server.images.resample import FILTERS, MAX_PIXELS, resample
from vitscope.server.images.scaled import SCALABLE, decode_scaled
from vitscope.server.images.signatures import FIELD, FORMATS
from vitscope.server.images.transform import Fit, crop, plan_fit, transform

# Longer side of the largest rendering that can be requested; a kept photo needs no more pixels.
PHOTO_SIDE = 2048


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image ready for the engine.

    pixels: uint8 [H, W, 3] RGB, C-contiguous, read-only. photo: the upright image, reduced to a longer side of 2048
    pixels if it was larger; None unless requested.
    """

    pixels: np.ndarray
    geometry: Geometry
    photo: Image.Image | None


def prepare_encoded(
    data: bytes, contract: InputContract, tokens: TokenGeometry, limits: ImageLimits, keep_photo: bool
) -> Prepared:
    """Decode a file and fit it to the model's input.

    With `keep_photo` it is decoded at a reduced size only where it has more pixels than may be held.

    Raises InvalidRequest for a file that is not accepted, damaged or over a limit.
    """
    try:
        return _prepare_file(data, contract, tokens, limits, keep_photo)
    except InvalidRequest as error:
        raise explain(error, data, FORMATS) from error


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
    """Fit width x height RGB pixels to the model's input. Preprocessed pixels are used unchanged.

    Raises InvalidRequest for a size of zero, over a limit or different from that of `rgb`, and for preprocessed pixels
    that do not have the size of the model's input.
    """
    for field, side in (("width", width), ("height", height)):
        if side <= 0:
            raise InvalidRequest(field, str(side), "at least 1")
    check_pixels("raw", (width, height), limits)
    if len(rgb) != width * height * 3:
        expected = f"{width} x {height} x 3 = {width * height * 3:,} bytes"
        raise InvalidRequest("rgb", f"{len(rgb):,} bytes", expected)
    if not preprocessed:
        fit = _plan("raw", (width, height), contract, limits)
        image = Image.frombytes("RGB", (width, height), rgb)
        return Prepared(
            _pixels(image, fit, contract, limits),
            locate((width, height), 1, fit, contract, tokens),
            _photo(image) if keep_photo else None,
        )
    if (width, height) != (contract.width, contract.height):
        raise InvalidRequest(
            "preprocessed",
            f"{width}x{height} pixels",
            f"exactly the model's input, {contract.width}x{contract.height}, or preprocessed = false",
        )
    pixels = np.frombuffer(rgb, np.uint8).reshape(height, width, 3)
    geometry = locate((width, height), 1, None, contract, tokens)
    return Prepared(pixels, geometry, _photo(Image.fromarray(pixels)) if keep_photo else None)


def _prepare_file(
    data: bytes, contract: InputContract, tokens: TokenGeometry, limits: ImageLimits, keep_photo: bool
) -> Prepared:
    opened = open_image(data, limits)
    orientation = None
    if opened.format in SCALABLE:
        orientation = read_orientation(opened)
        if _may_differ(contract, limits):
            prepared = _prepare_scaled(data, opened, orientation, contract, tokens, limits, keep_photo)
            if prepared is not None:
                return prepared
    image, orientation = load(opened, limits, orientation)
    fit = _plan(FIELD, image.size, contract, limits)
    return Prepared(
        _pixels(image, fit, contract, limits),
        locate(image.size, orientation, fit, contract, tokens),
        _photo(image) if keep_photo else None,
    )


def _may_differ(contract: InputContract, limits: ImageLimits) -> bool:
    """Return whether pixels may differ a little from those of the checkpoint's processor.

    Not with nearest: it picks single pixels, which scaling does not preserve.
    """
    return limits.decoding == "scaled" and contract.resize.interpolation != "nearest"


def _prepare_scaled(
    data: bytes,
    opened: ImageFile.ImageFile,
    orientation: int,
    contract: InputContract,
    tokens: TokenGeometry,
    limits: ImageLimits,
    keep_photo: bool,
) -> Prepared | None:
    """Return None if all pixels have to be decoded. The image is turned upright last, when it is smallest."""
    turn, size = UPRIGHT.get(orientation), swap_sideways(opened.size, orientation)
    fit = _plan(FIELD, size, contract, limits)
    to = swap_sideways((fit.width, fit.height), orientation)
    interpolation = contract.resize.interpolation
    scaled = None if keep_photo else decode_scaled(data, opened, to, limits.max_pixels)
    photo = None
    if scaled is not None:
        height, width, _ = scaled.pixels.shape
        resized = resample(scaled.pixels.tobytes(), (width, height), scaled.extent, to, interpolation)
    elif is_large(opened, limits):
        large = decode_large(opened, to, PHOTO_SIDE if keep_photo else 0, limits)
        resized = np.asarray(large.image.resize(to, FILTERS[interpolation], box=(0, 0, *large.extent)))
        photo = _photo(large.image) if keep_photo else None
    else:
        return None
    if turn is not None:
        resized = np.asarray(Image.fromarray(resized).transpose(turn))
        photo = photo and photo.transpose(turn)
    return Prepared(crop(resized, fit, contract), locate(size, orientation, fit, contract, tokens), photo)


def _plan(field: str, size: tuple[int, int], contract: InputContract, limits: ImageLimits) -> Fit:
    fit = plan_fit(size, contract)
    if fit.width * fit.height > limits.max_pixels:  # as when a 65535x1 image is resized by its shorter side
        raise InvalidRequest(
            field,
            f"{size[0]}x{size[1]} pixels, to be resized to {fit.width}x{fit.height} for this model",
            f"at most {limits.max_pixels:,} pixels after resizing",
        )
    return fit


def _pixels(image: Image.Image, fit: Fit, contract: InputContract, limits: ImageLimits) -> np.ndarray:
    if not _may_differ(contract, limits) or image.width * image.height > MAX_PIXELS:
        return transform(image, fit, contract)
    to, interpolation = (fit.width, fit.height), contract.resize.interpolation
    return crop(resample(image.tobytes(), image.size, image.size, to, interpolation), fit, contract)


def _photo(image: Image.Image) -> Image.Image:
    longer = max(image.size)
    if longer <= PHOTO_SIDE:
        return image
    width, height = (max(1, round(side * PHOTO_SIDE / longer)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
