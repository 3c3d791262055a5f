"""Requests to domain values. Nothing is decided here but what a field's absence means."""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import TypeVar

from vitscope.bundle import Manifest
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_encoded, prepare_raw
from vitscope.server.maps.spec import ColourMap, Dtype, Kind, MapSpec, PictureFormat, RenderingSpec, Upsampling
from vitscope.server.query import Query
from vitscope.server.scheduling.callers import Caller
from vitscope.server.scheduling.timeline import Timeline
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

DEFAULT_TOP_K = 5

V = TypeVar("V")

_METHODS: Mapping[int, str] = {maps_pb2.MAP_METHOD_UNSPECIFIED: "attention", maps_pb2.MAP_METHOD_ATTENTION: "attention"}
_DTYPES: Mapping[int, Dtype] = {
    maps_pb2.DATA_TYPE_UNSPECIFIED: "float32",
    maps_pb2.DATA_TYPE_FLOAT32: "float32",
    maps_pb2.DATA_TYPE_FLOAT16: "float16",
    maps_pb2.DATA_TYPE_UINT8: "uint8",
}
_KINDS: Mapping[int, Kind] = {
    maps_pb2.RENDERING_KIND_UNSPECIFIED: "overlay",
    maps_pb2.RENDERING_KIND_OVERLAY: "overlay",
    maps_pb2.RENDERING_KIND_HEAT_MAP: "heat_map",
}
_COLOUR_MAPS: Mapping[int, ColourMap] = {
    maps_pb2.COLOR_MAP_UNSPECIFIED: "viridis",
    maps_pb2.COLOR_MAP_VIRIDIS: "viridis",
    maps_pb2.COLOR_MAP_INFERNO: "inferno",
    maps_pb2.COLOR_MAP_CIVIDIS: "cividis",
    maps_pb2.COLOR_MAP_GREY: "grey",
}
_FORMATS: Mapping[int, PictureFormat] = {
    maps_pb2.PICTURE_FORMAT_UNSPECIFIED: "png",
    maps_pb2.PICTURE_FORMAT_PNG: "png",
    maps_pb2.PICTURE_FORMAT_JPEG: "jpeg",
}
_UPSAMPLINGS: Mapping[int, Upsampling] = {
    maps_pb2.UPSAMPLING_UNSPECIFIED: "bilinear",
    maps_pb2.UPSAMPLING_BILINEAR: "bilinear",
    maps_pb2.UPSAMPLING_NEAREST: "nearest",
}


def to_query(
    request: classifier_pb2.ClassifyRequest,
    manifest: Manifest,
    limits: ImageLimits,
    deadline: float,
    timeline: Timeline,
    caller: Caller,
) -> Query:
    """A request of `caller` to a model with this manifest. Raises InvalidRequest naming the field that cannot be used."""
    if not 0 <= request.min_probability <= 1:
        raise InvalidRequest("min_probability", f"{request.min_probability:g}", "0 to 1")
    spec = to_map_spec(request.maps, manifest) if request.HasField("maps") else None
    keep_photo = spec is not None and spec.rendering is not None and spec.rendering.kind == "overlay"
    image, form, prepare = _image(request.image, manifest, limits, keep_photo)
    return Query(
        caller=caller,
        size=request.ByteSize(),
        image=image,
        form=form,
        prepare=prepare,
        at_once=request.image.raw.preprocessed,
        top_k=request.top_k or DEFAULT_TOP_K,
        min_probability=request.min_probability,
        maps=spec,
        deadline=deadline,
        timeline=timeline,
    )


def to_map_spec(options: maps_pb2.MapOptions, manifest: Manifest) -> MapSpec:
    """Map options, checked against the model. Raises InvalidRequest."""
    _named(_METHODS, options.method, "maps.method", maps_pb2.MapMethod)
    return MapSpec.from_request(
        manifest,
        layers=options.layers,
        all_layers=options.all_layers,
        heads=options.heads,
        all_heads=options.all_heads,
        dtype=_named(_DTYPES, options.dtype, "maps.dtype", maps_pb2.DataType),
        rendering=_to_rendering_spec(options.rendering) if options.HasField("rendering") else None,
    )


def _to_rendering_spec(options: maps_pb2.RenderingOptions) -> RenderingSpec:
    return RenderingSpec.from_request(
        kind=_named(_KINDS, options.kind, "maps.rendering.kind", maps_pb2.RenderingKind),
        color_map=_named(_COLOUR_MAPS, options.color_map, "maps.rendering.color_map", maps_pb2.ColorMap),
        opacity=options.opacity,
        size=options.size,
        format=_named(_FORMATS, options.format, "maps.rendering.format", maps_pb2.PictureFormat),
        upsampling=_named(_UPSAMPLINGS, options.upsampling, "maps.rendering.upsampling", maps_pb2.Upsampling),
    )


def _image(
    image: image_pb2.Image, manifest: Manifest, limits: ImageLimits, keep_photo: bool
) -> tuple[bytes, tuple[Hashable, ...], Callable[[], Prepared]]:
    """The image's bytes, what else decides what is made of them, and what makes it. (Each access to a bytes field copies it.)"""
    source = image.WhichOneof("source")
    if source == "encoded":
        data = image.encoded
        prepare = partial(prepare_encoded, data, manifest.input, manifest.tokens, limits, keep_photo)
        return data, (keep_photo,), prepare
    if source == "raw":
        data, raw = image.raw.rgb, image.raw
        shape = (raw.width, raw.height, raw.preprocessed)
        prepare = partial(prepare_raw, data, *shape, manifest.input, manifest.tokens, limits, keep_photo)
        return data, (*shape, keep_photo), prepare
    raise InvalidRequest("image", "not set", "image.encoded (a JPEG, PNG, WebP, GIF, BMP or TIFF file) or image.raw")


def _named(table: Mapping[int, V], number: int, field: str, enum: object) -> V:
    """proto3 enums are open: a number that this version does not know arrives as it is."""
    if number not in table:
        known = ", ".join(f"{name} = {value}" for name, value in enum.items())  # type: ignore[attr-defined]
        raise InvalidRequest(field, str(number), known)
    return table[number]
