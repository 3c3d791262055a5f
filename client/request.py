"""From an image and keyword options to a ClassifyRequest. What is acceptable is for the server to say, but for types."""

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
from vitscope.client.errors import InvalidImage, InvalidRequest
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

# What `classify` takes: the bytes of an image file, a path of one, a Pillow image, or uint8 pixels [height, width, 3] RGB.
ImageLike: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str] | PillowImage.Image | NDArray[np.uint8]

# The rest of a message's limit is room for everything that is not the image.
MAX_IMAGE_BYTES = MAX_MESSAGE_BYTES - 64 * 1024


@dataclass(frozen=True)
class RenderingOptions:
    """How the server draws each map; see RenderingOptions in maps.proto.

    kind: "overlay" (on the photo) or "heat_map". color_map: "viridis", "inferno", "cividis" or "grey", low to high.
    opacity: above 0 and up to 1, of the heat map in an overlay. size: longer side in pixels, 32 to 2048; 0 lets the server
    choose. format: "png" or "jpeg". upsampling: "bilinear" or "nearest".
    """

    kind: str = "overlay"
    color_map: str = "viridis"
    opacity: float = 0.5
    size: int = 0
    format: str = "png"
    upsampling: str = "bilinear"


class Options(TypedDict, total=False):
    """The keyword options of `classify` and `classify_many`; every one may be left out."""

    # Name; may be left out when the server has exactly one model.
    model: str
    # Version; 0 is the latest that is ready.
    version: int
    # Classes to return; 0 is the server's default, 5.
    top_k: int
    # Leaves out less probable classes; 0 to 1.
    min_probability: float
    # Layers whose attention maps to return, from 0, negative from the last; None is no maps.
    attention: Literal["last", "all"] | Sequence[int] | None
    # Heads, one map each; None is one map, the mean over the heads.
    heads: Literal["all"] | Sequence[int] | None
    # "float32", "float16" or "uint8": how map values travel. They arrive as float32 in any case.
    dtype: str
    # Asks for a picture of each map.
    rendering: RenderingOptions | None
    # Pixels are already resized and cropped for the model; only for arrays and Pillow images.
    preprocessed: bool


def classify_request(image: ImageLike, **options: Unpack[Options]) -> classifier_pb2.ClassifyRequest:
    """The message for one image.

    Raises InvalidImage when the image cannot be read or is too large to send, InvalidRequest for an unknown option value.
    """
    request = classifier_pb2.ClassifyRequest(
        image=_image(image, options.get("preprocessed", False)),
        model=options.get("model", ""),
        maps=_map_options(options),
    )
    _set(request, "version", options.get("version", 0))
    _set(request, "top_k", options.get("top_k", 0))
    _set(request, "min_probability", options.get("min_probability", 0.0))
    return request


def _image(image: ImageLike, preprocessed: bool) -> image_pb2.Image:
    match image:
        case np.ndarray():
            return _checked(image_pb2.Image(raw=_raw(image, preprocessed)))
        case PillowImage.Image():
            return _checked(_pillow(image, preprocessed))
    if preprocessed:
        raise InvalidRequest("preprocessed: set for an image file; accepted: with arrays and Pillow images only")
    match image:
        case bytes() | bytearray() | memoryview():
            return _checked(image_pb2.Image(encoded=bytes(image)))
        case str() | os.PathLike():
            return _checked(image_pb2.Image(encoded=_read(Path(image))))
    raise InvalidImage(
        f"image: {type(image).__name__}; accepted: bytes of an image file, a path, a Pillow image, "
        "a uint8 array [height, width, 3]"
    )


def _read(path: Path) -> bytes:
    try:
        kind = path.stat().st_mode
        # A device may never end, and opening one may do something.
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
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "RGB":
            return image_pb2.Image(raw=_raw(np.asarray(upright), preprocessed))
        if preprocessed:
            raise InvalidImage(f"image: Pillow image of mode {upright.mode}; accepted with preprocessed: RGB")
        # How palettes, alpha, CMYK and deep grey become RGB is the server's decision alone, so they travel as they are.
        file = io.BytesIO()
        upright.save(file, "TIFF")
        return image_pb2.Image(encoded=file.getvalue())
    except (OSError, KeyError) as error:
        raise InvalidImage(f"image: Pillow image of mode {image.mode} cannot be sent: {error}") from error


def _checked(image: image_pb2.Image) -> image_pb2.Image:
    if image.ByteSize() > MAX_IMAGE_BYTES:
        raise InvalidImage(
            f"image: too large to send; accepted: up to {MAX_IMAGE_BYTES:,} bytes (send the compressed file, not its pixels)"
        )
    return image


def _map_options(options: Options) -> maps_pb2.MapOptions | None:
    attention, heads, rendering = options.get("attention"), options.get("heads"), options.get("rendering")
    if attention is None:
        for name in ("heads", "rendering"):
            if options.get(name) is not None:
                raise InvalidRequest(f"{name}: set without attention; accepted: together with attention")
        return None
    message = maps_pb2.MapOptions(
        method=maps_pb2.MAP_METHOD_ATTENTION,
        dtype=_enum(maps_pb2.DataType, "DATA_TYPE", "dtype", options.get("dtype", "float32")),
    )
    match attention:
        case "all":
            message.all_layers = True
        case str():
            if attention != "last":
                raise InvalidRequest(f'attention: {attention!r}; accepted: "last", "all" or layer numbers')
        case _:
            _extend(message, "layers", "attention", attention)
    match heads:
        case "all":
            message.all_heads = True
        case str():
            raise InvalidRequest(f'heads: {heads!r}; accepted: "all" or head numbers')
        case _:
            _extend(message, "heads", "heads", heads or ())
    if rendering is not None:
        message.rendering.CopyFrom(_rendering(rendering))
    return message


def _rendering(options: RenderingOptions) -> maps_pb2.RenderingOptions:
    message = maps_pb2.RenderingOptions(
        kind=_enum(maps_pb2.RenderingKind, "RENDERING_KIND", "rendering.kind", options.kind),
        color_map=_enum(maps_pb2.ColorMap, "COLOR_MAP", "rendering.color_map", options.color_map),
        format=_enum(maps_pb2.PictureFormat, "PICTURE_FORMAT", "rendering.format", options.format),
        upsampling=_enum(maps_pb2.Upsampling, "UPSAMPLING", "rendering.upsampling", options.upsampling),
    )
    _set(message, "opacity", options.opacity)
    _set(message, "size", options.size)
    return message


def enum_names(enum: Any, prefix: str) -> list[str]:
    """The values of a proto enum as this library spells them: COLOR_MAP_VIRIDIS -> "viridis"."""
    return [name.removeprefix(f"{prefix}_").lower() for name in enum.keys() if not name.endswith("_UNSPECIFIED")]  # noqa: SIM118


def _enum(enum: Any, prefix: str, field: str, name: str) -> Any:
    accepted = enum_names(enum, prefix)
    if name not in accepted:
        raise InvalidRequest(f"{field}: {name!r}; accepted: {', '.join(accepted)}")
    return enum.Value(f"{prefix}_{name.upper()}")


def _set(message: Any, field: str, value: float) -> None:
    """Protobuf raises ValueError for a number out of the field's range and TypeError for a wrong type."""
    try:
        setattr(message, field, value)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{field}: {value!r}; accepted: {_kind(message, field)}") from error


def _extend(message: Any, field: str, option: str, values: Sequence[int]) -> None:
    try:
        getattr(message, field).extend(values)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{option}: {values!r}; accepted: a list of {_kind(message, field)}s") from error


def _kind(message: Any, field: str) -> str:
    descriptor = message.DESCRIPTOR.fields_by_name[field]
    kinds = {descriptor.TYPE_UINT32: "whole number from 0", descriptor.TYPE_INT32: "whole number"}
    return kinds.get(descriptor.type, "number")
