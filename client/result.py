"""From a ClassifyResponse to plain Python and numpy."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2, timing_pb2

_DTYPES = {
    maps_pb2.DATA_TYPE_UNSPECIFIED: "<f4",
    maps_pb2.DATA_TYPE_FLOAT32: "<f4",
    maps_pb2.DATA_TYPE_FLOAT16: "<f2",
    maps_pb2.DATA_TYPE_UINT8: "u1",
}


def map_values(message: maps_pb2.Map) -> NDArray[np.float32]:
    """The values of a map, float32 [rows, cols], whatever type they travelled in."""
    values = np.frombuffer(message.values, _DTYPES[message.dtype]).astype(np.float32)
    if message.dtype == maps_pb2.DATA_TYPE_UINT8:
        values = values * np.float32(message.scale) + np.float32(message.offset)
    return values.reshape(message.rows, message.cols)


@dataclass(frozen=True)
class Class:
    """One class: `index` in the model's labels, `probability` 0 to 1, `logit` the head's raw output."""

    index: int
    label: str
    probability: float
    logit: float


@dataclass(frozen=True)
class Picture:
    """A drawn map: the bytes of a file and its size in pixels."""

    media_type: str
    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class AttentionMap:
    """Share of the class token's attention on each patch.

    `values` is float32 [rows, cols]; with `cls`, `distillation` and `registers`, the shares of the prefix tokens, they sum
    to 1. `head` is None for the mean over the heads. `picture` is there when a rendering was asked for.
    """

    layer: int
    head: int | None
    values: NDArray[np.float32]
    cls: float
    distillation: float
    registers: float
    picture: Picture | None

    @classmethod
    def of(cls, message: maps_pb2.Map) -> "AttentionMap":
        drawn, prefix = message.rendering, message.prefix
        return cls(
            layer=message.layer,
            head=None if message.head < 0 else message.head,
            values=map_values(message),
            cls=prefix.cls,
            distillation=prefix.distillation,
            registers=prefix.registers,
            picture=Picture(drawn.media_type, drawn.data, drawn.width, drawn.height)
            if message.HasField("rendering")
            else None,
        )


@dataclass(frozen=True)
class Geometry:
    """How the grid of patches lies on the image, in edge coordinates after EXIF orientation.

    `grid_to_image` is float64 [2, 3]: `grid_to_image @ (column, row, 1)` is (x, y). `seen` is the part of the image that
    the model saw: left, top, right, bottom.
    """

    image_size: tuple[int, int]
    model_size: tuple[int, int]
    grid_to_image: NDArray[np.float64]
    seen: tuple[float, float, float, float]
    exif_orientation: int

    @classmethod
    def of(cls, message: image_pb2.Geometry) -> "Geometry":
        seen = message.seen
        return cls(
            image_size=(message.image_width, message.image_height),
            model_size=(message.model_width, message.model_height),
            grid_to_image=np.array(message.grid_to_image, np.float64).reshape(2, 3),
            seen=(seen.x0, seen.y0, seen.x1, seen.y1),
            exif_orientation=message.exif_orientation,
        )


@dataclass(frozen=True)
class Timing:
    """Where the server's time went. `total` and `stages` (by name, in order) are seconds. origin: "computed", or "shared" or "cached" when
    an equal request's result was used; "unspecified" from a server that does not say."""

    total: float
    stages: dict[str, float]
    batch_size: int
    engine: str
    origin: str = "unspecified"

    @classmethod
    def of(cls, message: timing_pb2.Timing) -> "Timing":
        names = [name for name in message.DESCRIPTOR.fields_by_name if name.endswith("_seconds")]
        seconds = {name.removesuffix("_seconds"): getattr(message, name) for name in names}
        # proto3 enums are open: a newer server may send a number that has no name here.
        known = message.origin in timing_pb2.Origin.values()
        origin = timing_pb2.Origin.Name(message.origin).removeprefix("ORIGIN_").lower() if known else "unspecified"
        return cls(seconds.pop("total"), seconds, message.batch_size, message.engine, origin)


@dataclass(frozen=True)
class Result:
    """What the model said about one image. `classes` fall in probability; `raw` is the message as it came."""

    classes: tuple[Class, ...]
    maps: tuple[AttentionMap, ...]
    geometry: Geometry
    timing: Timing
    model: str
    version: int
    raw: classifier_pb2.ClassifyResponse = field(repr=False, compare=False)

    @classmethod
    def of(cls, message: classifier_pb2.ClassifyResponse) -> "Result":
        return cls(
            classes=tuple(Class(c.index, c.label, c.probability, c.logit) for c in message.classes),
            maps=tuple(map(AttentionMap.of, message.maps)),
            geometry=Geometry.of(message.geometry),
            timing=Timing.of(message.timing),
            model=message.model,
            version=message.version,
            raw=message,
        )
