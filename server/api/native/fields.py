"""Paths in vitscope.v1.ClassifyRequest of the fields that domain errors name."""

from collections.abc import Mapping

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
    "token": "maps.token.index",
    "patch": "maps.token.patch",
    "direction": "maps.direction",
    "fusion": "maps.rollout.fusion",
    "discard": "maps.rollout.discard",
    "from_layer": "maps.rollout.from_layer",
}
"""Bare name -> path. Other names are fields of the request itself."""

_IMAGE = ("encoded", "raw", "rgb", "width", "height", "preprocessed")
IN_EXPLAIN = {name: PATHS[name] for name in _IMAGE} | {
    name: f"rollout.{name}" for name in ("fusion", "discard", "from_layer")
}
"""The same in vitscope.v1.ExplainRequest."""


def in_request(error: Exception, paths: Mapping[str, str] = PATHS) -> Exception:
    """Return the error with the path of its field in the request, if it names one."""
    if isinstance(error, InvalidRequest) and error.field in paths:
        return InvalidRequest(paths[error.field], error.found, error.accepted)
    return error
