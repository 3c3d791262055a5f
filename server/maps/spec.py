"""What maps one request asks for, checked against the model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vitscope.bundle import ATTENTION, CLASSIFY, GraphName, Manifest
from vitscope.server.errors import InvalidRequest

Dtype = Literal["float32", "float16", "uint8"]
Kind = Literal["overlay", "heat_map"]
ColourMap = Literal["viridis", "inferno", "cividis", "grey"]
PictureFormat = Literal["png", "jpeg"]
Upsampling = Literal["bilinear", "nearest"]

MIN_SIDE, MAX_SIDE = 32, 2048
DEFAULT_MIN_SIDE, DEFAULT_MAX_SIDE = 224, 1024
# All pictures of one reply: 4 of 2048x2048, 16 of 1024x1024, or 144 of 320x320 (12 layers x 12 heads).
MAX_PICTURE_PIXELS = 2**24


@dataclass(frozen=True)
class RenderingSpec:
    """How each map is drawn. opacity: weight of the heat map in an overlay, 0 < opacity <= 1. size: longer side in pixels,
    32..2048; None: the photo's own, but at least 224 and at most 1024. max_pixels: of each picture; a MapSpec has set it so
    that all pictures of a reply stay within their bound together."""

    kind: Kind = "overlay"
    color_map: ColourMap = "viridis"
    opacity: float = 0.5
    size: int | None = None
    format: PictureFormat = "png"
    upsampling: Upsampling = "bilinear"
    max_pixels: int = MAX_PICTURE_PIXELS

    @classmethod
    def from_request(
        cls,
        kind: Kind = "overlay",
        color_map: ColourMap = "viridis",
        opacity: float = 0.0,
        size: int = 0,
        format: PictureFormat = "png",
        upsampling: Upsampling = "bilinear",
    ) -> "RenderingSpec":
        """From the values of a request, where 0 stands for the default. Raises InvalidRequest when one is out of range."""
        if not 0 <= opacity <= 1:
            raise InvalidRequest("maps.rendering.opacity", f"{opacity:g}", "above 0 and up to 1, or 0 for 0.5")
        if size and not MIN_SIDE <= size <= MAX_SIDE:
            accepted = f"{MIN_SIDE} to {MAX_SIDE}, or 0 for the photo's own size"
            raise InvalidRequest("maps.rendering.size", str(size), accepted)
        return cls(kind, color_map, opacity or 0.5, size or None, format, upsampling)


@dataclass(frozen=True)
class MapSpec:
    """The maps of one request, for one model.

    layers: ascending, each once. heads: likewise; None for one map, the mean over all heads. graph: the cheapest graph
    that has these layers.
    """

    layers: tuple[int, ...]
    heads: tuple[int, ...] | None
    dtype: Dtype
    rendering: RenderingSpec | None
    graph: GraphName

    @classmethod
    def from_request(
        cls,
        manifest: Manifest,
        layers: Sequence[int] = (),
        all_layers: bool = False,
        heads: Sequence[int] = (),
        all_heads: bool = False,
        dtype: Dtype = "float32",
        rendering: RenderingSpec | None = None,
    ) -> "MapSpec":
        """From the values of a request: negative layers count from the last, no layers are the last one, and no heads are
        their mean.

        Raises InvalidRequest when the model has no attention, a layer or head does not exist, or the pictures are too many.
        """
        if not manifest.has_attention:
            raise InvalidRequest(
                "maps", f"model {manifest.name!r} was exported without attention", "a request without maps"
            )
        last = manifest.layers - 1
        chosen_layers = _choose("layers", layers, all_layers, manifest.layers, lowest=-manifest.layers) or (last,)
        chosen_heads = _choose("heads", heads, all_heads, manifest.heads, lowest=0) or None
        graph = CLASSIFY if chosen_layers == (last,) else ATTENTION
        if graph not in manifest.graphs:
            raise InvalidRequest("maps.layers", str(list(chosen_layers)), f"{last}; this model has only its last layer")
        if rendering is not None:
            rendering = _sharing(len(chosen_layers) * len(chosen_heads or (-1,)), rendering)
        return cls(chosen_layers, chosen_heads, dtype, rendering, graph)


def _choose(name: str, wanted: Sequence[int], everything: bool, count: int, lowest: int) -> tuple[int, ...]:
    """Indices below `count`, ascending, each once; empty when none are wanted."""
    if everything and wanted:
        raise InvalidRequest(f"maps.{name}", f"{len(wanted)} of them beside all_{name}", f"{name} or all_{name}")
    if len(wanted) > count:
        raise InvalidRequest(f"maps.{name}", f"{len(wanted):,} of them", f"each of the {count} once at most")
    for index in wanted:
        if not lowest <= index < count:
            raise InvalidRequest(f"maps.{name}", str(index), f"{lowest} to {count - 1}")
    return tuple(sorted({index % count for index in (range(count) if everything else wanted)}))


def _sharing(count: int, rendering: RenderingSpec) -> RenderingSpec:
    """The same for each of `count` pictures. Without a size of its own it is known only once the photo is; see render."""
    shared = replace(rendering, max_pixels=MAX_PICTURE_PIXELS // count)
    if rendering.size:
        check_picture((rendering.size, rendering.size), shared)
    return shared


def check_picture(size: tuple[int, int], rendering: RenderingSpec) -> None:
    """Raises InvalidRequest when a picture of `size` (width, height) is more than its share."""
    if size[0] * size[1] > rendering.max_pixels:
        count, largest = MAX_PICTURE_PIXELS // rendering.max_pixels, math.isqrt(rendering.max_pixels)
        raise InvalidRequest(
            "maps.rendering.size",
            f"{count} pictures of up to {size[0]}x{size[1]} pixels",
            f"at most {MAX_PICTURE_PIXELS:,} pixels in all"
            + (f", which is size {largest} for {count} pictures" if largest >= MIN_SIDE else ""),
        )
