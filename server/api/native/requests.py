"""From messages to `Ask`. Only the meaning of absent fields is decided here."""

from collections.abc import Sequence

from vitscope.server.answer.ask import DEFAULT_TOP_K, Ask, EncodedImage, RawImage
from vitscope.server.api.native.enums import Names
from vitscope.server.errors import InvalidRequest
from vitscope.server.maps.classes import NONE, ClassOptions
from vitscope.server.maps.condition import When
from vitscope.server.maps.options import Chosen, MapOptions
from vitscope.server.maps.rendering import RenderingSpec
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2

METHODS = Names(maps_pb2.MapMethod, "")
DTYPES = Names(maps_pb2.DataType, "float32")
MODES = Names(maps_pb2.EvidenceMode, "")
CONDITIONS = Names(maps_pb2.MapCondition, "always")
_KINDS = Names(maps_pb2.RenderingKind, "overlay")
_COLOUR_MAPS = Names(maps_pb2.ColorMap, "")
_FORMATS = Names(maps_pb2.PictureFormat, "png")
_UPSAMPLINGS = Names(maps_pb2.Upsampling, "bilinear")


def to_ask(request: classifier_pb2.ClassifyRequest) -> Ask:
    """Return the `Ask` of a request. Raises InvalidRequest for fields that cannot be translated."""
    image = _to_image(request.image)
    return Ask(
        image,
        len(image.data),  # the rest of the message is small, and counting it would take a copy
        request.model,
        request.version,
        request.top_k or DEFAULT_TOP_K,
        request.min_probability,
        _to_map_options(request.maps) if request.HasField("maps") else None,
    )


def _to_image(image: image_pb2.Image) -> EncodedImage | RawImage:
    """Return the image. Each access to a bytes field copies it, so access it once."""
    source = image.WhichOneof("source")
    if source == "encoded":
        return EncodedImage(image.encoded)
    if source == "raw":
        raw = image.raw
        return RawImage(raw.rgb, raw.width, raw.height, raw.preprocessed)
    raise InvalidRequest(
        "image", "not set", "image.encoded (a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file) or image.raw"
    )


def _to_map_options(options: maps_pb2.MapOptions) -> MapOptions:
    return MapOptions(
        METHODS.name("method", options.method),
        _chosen("layers", options.layers, options.all_layers),
        _chosen("heads", options.heads, options.all_heads),
        DTYPES.name("dtype", options.dtype),
        _to_rendering_spec(options.rendering) if options.HasField("rendering") else None,
        _to_class_options(options),
        When(CONDITIONS.name("when", options.when), options.when_below),
    )


def _to_class_options(options: maps_pb2.MapOptions) -> ClassOptions:
    versus = options.WhichOneof("versus")
    if not (options.class_indices or options.class_labels or options.top_classes or versus or options.mode):
        return NONE
    return ClassOptions(
        tuple(options.class_indices),
        tuple(options.class_labels),
        options.top_classes,
        **({versus: getattr(options, versus)} if versus else {}),
        mode=MODES.name("mode", options.mode),
    )


def _chosen(field: str, wanted: Sequence[int], everything: bool) -> Chosen:
    if everything and wanted:
        raise InvalidRequest(field, f"{len(wanted)} of them beside all_{field}", f"{field} or all_{field}")
    return "all" if everything else wanted


def _to_rendering_spec(options: maps_pb2.RenderingOptions) -> RenderingSpec:
    """Return the options; 0 means the default."""
    return RenderingSpec(
        _KINDS.name("kind", options.kind),
        _COLOUR_MAPS.name("color_map", options.color_map) or None,
        options.opacity or 0.5,
        options.size or None,
        _FORMATS.name("format", options.format),
        _UPSAMPLINGS.name("upsampling", options.upsampling),
    )
