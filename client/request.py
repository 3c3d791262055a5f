"""Build a ClassifyRequest from an image and keyword options.

Only types, enum names and the size of the image are checked here; the server checks the values.
"""

import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from vitscope.client.channel import MAX_MESSAGE_BYTES
from vitscope.client.classes import OneClass, set_classes, set_mode, set_versus, set_when
from vitscope.client.errors import InvalidImage, InvalidRequest
from vitscope.client.evidence import When
from vitscope.client.fields import enum_value, extend_field, set_field
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

ImageLike: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | PillowImage.Image | NDArray[np.uint8]
"""An image: the bytes of an image file, the path of one, a Pillow image, or RGB pixels uint8 [height, width, 3]."""

_OF_EVIDENCE = ("classes", "top_classes", "versus", "versus_rank", "mode")
_MODELS_OWN = maps_pb2.MAP_METHOD_UNSPECIFIED

# Leaves room in the message for everything that is not the image.
MAX_IMAGE_BYTES = MAX_MESSAGE_BYTES - 64 * 1024


@dataclass(frozen=True)
class RenderingOptions:
    """How the server draws a picture of each map. An unknown name raises InvalidRequest when the request is made."""

    kind: str = "overlay"
    """What to draw: "overlay" is the heat map over the photo, with the part that the model did not see greyed;
    "heat_map" is the heat map alone, over the model's input."""
    color_map: str = ""
    """Colours from low to high: "viridis", "inferno", "cividis", "grey", or "blue_orange" with white at zero. By
    default viridis, and for evidence blue_orange."""
    opacity: float = 0.5
    """Weight of the heat map against the photo in an overlay, above 0 and up to 1; 0 is 0.5."""
    size: int = 0
    """Longer side of the picture in pixels, 32 to 2048; 0 is that of the photo, but at least 224 and at most 1024."""
    format: str = "png"
    """File format: "png" or "jpeg" (quality 90)."""
    upsampling: str = "bilinear"
    """How grid cells become pixels: "bilinear" is smooth between cell centres, "nearest" shows the cells."""


class Options(TypedDict, total=False):
    """The keyword options of `classify` and `classify_many`; all are optional."""

    model: str
    """Name of the model; may be omitted when the server has exactly one."""
    version: int
    """Version of the model; 0, the default, is the latest that is ready."""
    top_k: int
    """Number of classes to return, at most all that the model has; 0, the default, is 5."""
    min_probability: float
    """Omits classes with a lower probability; 0, the default, to 1."""
    method: str
    """Explanation method of the maps, one of the model's `methods`, of which the first is the default: "attention",
    where the model has it. "cam", "evidence" and others without `attention` ask for their default maps."""
    attention: Literal["last", "all"] | Sequence[int] | None
    """Layers whose attention maps are returned, from 0 or, negative, from the last (-1). Layers other than the last
    need a second, slower graph. None, the default, returns no maps."""
    heads: Literal["all"] | Sequence[int] | None
    """Attention heads from 0, one map each. None, the default, returns one map: the mean over all heads."""
    dtype: str
    """Type of map values on the wire: "float32" (default), "float16" or "uint8". The result is always float32."""
    rendering: RenderingOptions | None
    """Asks for a picture of each map; None, the default, for none. Needs `attention` or another method."""
    classes: OneClass | Sequence[OneClass]
    """Classes that "evidence" explains, by label or by index, up to 10; one map each, indices before labels. Without
    them, and without `top_classes`, the most probable class is explained."""
    top_classes: int
    """Explains so many of the most probable classes instead, up to 10; that of `versus` is left out."""
    versus: OneClass | None
    """Explains why a class rather than this one, by label or index: the exact difference of the two maps."""
    versus_rank: int | None
    """The same, by rank in the answer: 2 is the second most probable class."""
    mode: str
    """How evidence is computed: "integrated" (default), whose shares add up, "gradient" or "direct"."""
    when: When | None
    """When the server makes the maps, of any method: `When.confidence_below(0.8)` or `When.margin_below(0.2)`. None,
    the default, is always. See `Result.maps_decision`."""
    preprocessed: bool
    """True when the pixels already have the model's input size and are used unchanged; for arrays and Pillow
    images only. False is the default."""


def classify_request(image: ImageLike, **options: Unpack[Options]) -> classifier_pb2.ClassifyRequest:
    """Return the message for one image.

    Raises InvalidImage when the image cannot be read or is too large to send, and InvalidRequest for an option that
    has a wrong type or an unknown name.
    """
    request = classifier_pb2.ClassifyRequest(
        image=_image(image, options.get("preprocessed", False)),
        model=options.get("model", ""),
        maps=_map_options(options),
    )
    set_field(request, "version", options.get("version", 0))
    set_field(request, "top_k", options.get("top_k", 0))
    set_field(request, "min_probability", options.get("min_probability", 0.0))
    return request


def _image(image: ImageLike, preprocessed: bool) -> image_pb2.Image:
    try:
        return _checked(_message(image, preprocessed))
    except InvalidRequest:
        raise
    except Exception as error:  # the caller's object may be closed, released, damaged or of a class of its own
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise InvalidImage(f"image: {_kind(image)} cannot be read: {reason}") from error


def _message(image: ImageLike, preprocessed: bool) -> image_pb2.Image:
    match image:
        case np.ndarray():
            return image_pb2.Image(raw=_raw(image, preprocessed))
        case PillowImage.Image():
            return _pillow(image, preprocessed)
    if preprocessed:
        raise InvalidImage("preprocessed: set for an image file; accepted: with arrays and Pillow images only")
    match image:
        case bytes() | bytearray() | memoryview():
            return image_pb2.Image(encoded=bytes(image))
        case str() | os.PathLike():
            return image_pb2.Image(encoded=_read(Path(image)))
    raise InvalidImage(
        f"image: {_kind(image)}; accepted: bytes of an image file, a path, a Pillow image, "
        "a uint8 array [height, width, 3]"
    )


def _kind(image: object) -> str:
    return f"Pillow image of mode {image.mode}" if isinstance(image, PillowImage.Image) else type(image).__name__


def _read(path: Path) -> bytes:
    try:
        kind = path.stat().st_mode
        # Reading a device may never end, and opening one may have side effects.
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            found = "a folder" if stat.S_ISDIR(kind) else "a device or socket"
            raise InvalidImage(f"image: {path}: {found}; accepted: a file or a named pipe")
        with path.open("rb") as file:
            return file.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise InvalidImage(f"image: {path}: {getattr(error, 'strerror', None) or error}") from error


def _raw(pixels: NDArray[Any], preprocessed: bool) -> image_pb2.RawPixels:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise InvalidImage(
            f"image: array of {pixels.dtype} {list(pixels.shape)}; accepted: uint8 [height, width, 3], RGB"
        )
    height, width, _ = pixels.shape
    return image_pb2.RawPixels(rgb=pixels.tobytes(), width=width, height=height, preprocessed=preprocessed)


def _pillow(image: PillowImage.Image, preprocessed: bool) -> image_pb2.Image:
    _load(image)
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "RGB":
        return image_pb2.Image(raw=_raw(np.asarray(upright), preprocessed))
    if preprocessed:
        raise InvalidImage(f"image: Pillow image of mode {upright.mode}; accepted with preprocessed: RGB")
    # Only the server converts palettes, alpha, CMYK and deep grey to RGB, so the image is sent in its own mode.
    file = io.BytesIO()
    upright.save(file, "TIFF")
    return image_pb2.Image(encoded=file.getvalue())


def _load(image: PillowImage.Image) -> None:
    """Read the pixels of a lazy image. Raises what Pillow raises for a damaged one, each time that it is tried.

    After a failure Pillow has nothing left to read, and the next attempt would pass with the rest of the picture black.
    """
    unread = list(getattr(image, "tile", ()))
    try:
        image.load()
    except Exception:
        if unread:
            setattr(image, "tile", unread)  # noqa: B010 - only images of files have it
        raise


def _checked(image: image_pb2.Image) -> image_pb2.Image:
    if image.ByteSize() > MAX_IMAGE_BYTES:
        raise InvalidImage(
            f"image: too large to send; accepted: up to {MAX_IMAGE_BYTES:,} bytes "
            "(send the compressed file, not its pixels)"
        )
    return image


def _map_options(options: Options) -> maps_pb2.MapOptions | None:
    attention, heads, rendering = options.get("attention"), options.get("heads"), options.get("rendering")
    method = options.get("method", "")
    if method != "evidence":
        for name in _OF_EVIDENCE:
            if _is_set(name, options.get(name)):
                raise InvalidRequest(f'{name}: set without evidence; accepted: together with method="evidence"')
    if attention is None and method in ("", "attention"):
        for name in ("heads", "rendering", "when"):
            if options.get(name) is not None:
                raise InvalidRequest(f"{name}: set without attention; accepted: together with attention")
        return None
    message = maps_pb2.MapOptions(
        method=enum_value(maps_pb2.MapMethod, "MAP_METHOD", "method", method) if method else _MODELS_OWN,
        dtype=enum_value(maps_pb2.DataType, "DATA_TYPE", "dtype", options.get("dtype", "float32")),
    )
    match attention:
        case None:
            pass
        case "all":
            message.all_layers = True
        case str():
            if attention != "last":
                raise InvalidRequest(f'attention: {attention!r}; accepted: "last", "all" or layer numbers')
        case _:
            extend_field(message, "layers", "attention", attention)
    match heads:
        case "all":
            message.all_heads = True
        case str():
            raise InvalidRequest(f'heads: {heads!r}; accepted: "all" or head numbers')
        case _:
            extend_field(message, "heads", "heads", heads or ())
    if rendering is not None:
        message.rendering.CopyFrom(_rendering(rendering))
    set_classes(message, options.get("classes", ()))
    set_field(message, "top_classes", options.get("top_classes", 0))
    set_versus(message, options.get("versus"), options.get("versus_rank"))
    if mode := options.get("mode"):
        set_mode(message, mode)
    if (when := options.get("when")) is not None:
        set_when(message, when)
    return message


def _is_set(name: str, value: object) -> bool:
    """Return whether an option asks for anything: a class may be 0, a number of classes or a name not."""
    if name in ("classes", "versus", "versus_rank"):
        return value not in (None, (), [])
    return bool(value)


def _colours(name: str) -> Any:
    if not name:
        return maps_pb2.COLOR_MAP_UNSPECIFIED
    return enum_value(maps_pb2.ColorMap, "COLOR_MAP", "rendering.color_map", name)


def _rendering(options: RenderingOptions) -> maps_pb2.RenderingOptions:
    message = maps_pb2.RenderingOptions(
        kind=enum_value(maps_pb2.RenderingKind, "RENDERING_KIND", "rendering.kind", options.kind),
        color_map=_colours(options.color_map),
        format=enum_value(maps_pb2.PictureFormat, "PICTURE_FORMAT", "rendering.format", options.format),
        upsampling=enum_value(maps_pb2.Upsampling, "UPSAMPLING", "rendering.upsampling", options.upsampling),
    )
    set_field(message, "opacity", options.opacity)
    set_field(message, "size", options.size)
    return message
