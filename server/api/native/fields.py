"""Paths in vitscope.v1.ClassifyRequest of the fields that domain errors name."""

from vitscope.server.errors import InvalidRequest

PATHS = {
    "encoded": "image.encoded",
    "raw": "image.raw",
    "rgb": "image.raw.rgb",
    "width": "image.raw.width",
    "height": "image.raw.height",
    "preprocessed": "image.raw.preprocessed",
    "method": "maps.method",
    "layers": "maps.layers",
    "heads": "maps.heads",
    "dtype": "maps.dtype",
    "class_indices": "maps.class_indices",
    "class_labels": "maps.class_labels",
    "top_classes": "maps.top_classes",
    "versus_index": "maps.versus_index",
    "versus_label": "maps.versus_label",
    "versus_rank": "maps.versus_rank",
    "mode": "maps.mode",
    "when": "maps.when",
    "when_below": "maps.when_below",
    "kind": "maps.rendering.kind",
    "color_map": "maps.rendering.color_map",
    "opacity": "maps.rendering.opacity",
    "size": "maps.rendering.size",
    "format": "maps.rendering.format",
    "upsampling": "maps.rendering.upsampling",
}
"""Bare name -> path. Other names are fields of the request itself."""


def in_request(error: Exception) -> Exception:
    """Return the error with the path of its field in the request, if it names one."""
    if isinstance(error, InvalidRequest) and error.field in PATHS:
        return InvalidRequest(PATHS[error.field], error.found, error.accepted)
    return error
