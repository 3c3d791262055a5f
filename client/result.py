"""The result of a classification in plain Python and numpy."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitscope.client.evidence import Evidence, MapsDecision
from vitscope.client.fields import activation_name, enum_name
from vitscope.client.pictures.view import MapView, View
from vitscope.drawing import Place
from vitscope.v1 import classifier_pb2, image_pb2, maps_pb2, timing_pb2

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vitscope.client.request import ImageLike

_DTYPES = {
    maps_pb2.DATA_TYPE_UNSPECIFIED: "<f4",
    maps_pb2.DATA_TYPE_FLOAT32: "<f4",
    maps_pb2.DATA_TYPE_FLOAT16: "<f2",
    maps_pb2.DATA_TYPE_UINT8: "u1",
}


def map_values(message: maps_pb2.Map) -> NDArray[np.float32]:
    """Decode the values of a map to float32 [rows, cols], whatever their type on the wire."""
    values = np.frombuffer(message.values, _DTYPES[message.dtype]).astype(np.float32)
    if message.dtype == maps_pb2.DATA_TYPE_UINT8:
        values = values * np.float32(message.scale) + np.float32(message.offset)
    return values.reshape(message.rows, message.cols)


@dataclass(frozen=True)
class Class:
    """One of the classes with the highest scores."""

    index: int
    """Index in the labels of the model, from 0."""
    label: str
    """Name of the class."""
    probability: float
    """Softmax over all classes of the model, or with `activation` "sigmoid" the label's own sigmoid, 0 to 1. With
    "none" there are no probabilities: it is 0, and `logit` is the answer."""
    logit: float
    """Raw output of the model's head; with `activation` "none" it is the answer, such as the value of a regression."""


@dataclass(frozen=True)
class Picture:
    """A drawn map. Its colours span the values of this one map."""

    media_type: str
    """Media type of the file: "image/png" or "image/jpeg"."""
    data: bytes
    """Content of the picture file."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""


@dataclass(frozen=True)
class AttentionMap:
    """One map. By default shares of attention in one layer, of the class token or whom the model's
    `tokens.attention_from` names: softmax(q_cls k^T) of one head, or the mean over all heads.

    Of attention, `values`, `cls`, `distillation` and `registers` sum to 1; of "cam", `values` and `rest` sum to the
    logit of the class `class_index`; of "evidence", `values` and the ledger of `evidence` sum to its target.
    """

    layer: int
    """Encoder layer, from 0."""
    head: int | None
    """Attention head, from 0; None for the mean over all heads."""
    values: NDArray[np.float32]
    """Share of each patch, float32 [rows, cols] from the top left, not normalised."""
    cls: float
    """Share of the class token itself."""
    distillation: float
    """Share of the distillation token; 0 for a model without one."""
    registers: float
    """Share of all register tokens; 0 for a model without any."""
    picture: Picture | None
    """The drawn map; None unless `rendering` was set."""
    method: str = "attention"
    """Explanation method that made it."""
    class_index: int | None = None
    """Index of the class that the map is about; None for attention."""
    rest: float | None = None
    """What of that class's logit belongs to no patch; None for attention and evidence."""
    evidence: Evidence | None = None
    """What a map of evidence explains, and how it adds up; None for other methods."""

    @property
    def name(self) -> str:
        """What the map is of, in a few words: "attention, layer 5, head 2"."""
        if self.evidence is not None:
            against = f" rather than {self.evidence.versus.label}" if self.evidence.versus else ""
            return f"evidence for {self.evidence.explained.label}{against}"
        if self.method not in ("attention", "unspecified"):  # servers of before there were others do not say
            return self.method.replace("_", " ")
        return f"attention, layer {self.layer}, {'mean of heads' if self.head is None else f'head {self.head}'}"

    @classmethod
    def of(cls, message: maps_pb2.Map) -> "AttentionMap":
        """Convert a received message."""
        drawn, prefix = message.rendering, message.prefix
        evidence = Evidence.of(message) if message.HasField("evidence") else None
        about = message.about.index if message.HasField("about") else None
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
            method=enum_name(maps_pb2.MapMethod, "MAP_METHOD", message.method),
            class_index=evidence.explained.index if evidence else about,
            rest=message.about.rest if message.HasField("about") else None,
            evidence=evidence,
        )


@dataclass(frozen=True)
class Geometry:
    """Position of the grid of patches on the image.

    Coordinates are edge coordinates after EXIF orientation: x runs from 0 at the left edge to the width at the right
    edge, so the centre of the first pixel is at 0.5.
    """

    image_size: tuple[int, int]
    """Width and height of the image in pixels, after EXIF orientation."""
    model_size: tuple[int, int]
    """Width and height of the model's input in pixels."""
    grid_to_image: NDArray[np.float64]
    """Affine map, float64 [2, 3]: `grid_to_image @ (column, row, 1)` is (x, y). Column 0 spans 0 to 1."""
    seen: tuple[float, float, float, float]
    """The part of the image that the model saw, as left, top, right, bottom; the rest was cropped away."""
    exif_orientation: int
    """EXIF orientation of the file, 1 to 8; 1 when it has none."""

    @property
    def seen_share(self) -> float:
        """The share of the image's area that the model saw, 0 to 1."""
        left, top, right, bottom = self.seen
        return (right - left) * (bottom - top) / (self.image_size[0] * self.image_size[1])

    def place(self, rows: int, cols: int) -> Place:
        """Return where a grid of patches lies on the image, for `vitscope.drawing`."""
        return Place(self.image_size, self.grid_to_image, (rows, cols), self.seen)

    @classmethod
    def of(cls, message: image_pb2.Geometry) -> "Geometry":
        """Convert a received message."""
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
    """Where the server spent its time."""

    total: float
    """Seconds from the start of the call to the end of the last stage."""
    stages: dict[str, float]
    """Seconds of each stage by name, in order: "receive", "decode", "queue", "batch", "infer" and "maps". Time between
    the stages is in the total only."""
    batch_size: int
    """Number of requests in the same batch, this one included."""
    engine: str
    """Engine and precision that ran the batch, for example "openvino/bf16"."""
    origin: str = "unspecified"
    """One of "computed", "shared" (with an equal request in flight), "cached" (from an equal earlier request) and
    "unspecified" (from a server that does not report it)."""

    @classmethod
    def of(cls, message: timing_pb2.Timing) -> "Timing":
        """Convert a received message."""
        names = [name for name in message.DESCRIPTOR.fields_by_name if name.endswith("_seconds")]
        seconds = {name.removesuffix("_seconds"): getattr(message, name) for name in names}
        origin = enum_name(timing_pb2.Origin, "ORIGIN", message.origin)
        return cls(seconds.pop("total"), seconds, message.batch_size, message.engine, origin)


@dataclass(frozen=True)
class Result:
    """The classification of one image, with the maps that were asked for."""

    classes: tuple[Class, ...]
    """The classes with the highest scores, in falling order: of probability, with `activation` "none" of the logit."""
    maps: tuple[AttentionMap, ...]
    """One map for each layer and head that was asked for, ordered by layer, then head; of evidence one for each class,
    in the order asked for. Empty without maps, and where `maps_decision` says so."""
    geometry: Geometry
    """Position of the grid of patches on the image."""
    timing: Timing
    """Where the server spent its time."""
    model: str
    """Name of the model that answered."""
    version: int
    """Version of the model that answered."""
    raw: classifier_pb2.ClassifyResponse = field(repr=False, compare=False)
    """The message as received."""
    activation: str = "softmax"
    """What the probabilities are: "softmax" (the classes exclude one another), "sigmoid" (independent labels, which
    apply from 0.5) or "none" (plain values, as in regression). A server that does not report it knows only softmax."""
    maps_decision: MapsDecision | None = None
    """Whether the condition of `when` was met; None without one."""

    @classmethod
    def of(cls, message: classifier_pb2.ClassifyResponse) -> "Result":
        """Convert a received message."""
        return cls(
            classes=tuple(Class(c.index, c.label, c.probability, c.logit) for c in message.classes),
            maps=tuple(map(AttentionMap.of, message.maps)),
            geometry=Geometry.of(message.geometry),
            timing=Timing.of(message.timing),
            model=message.model,
            version=message.version,
            raw=message,
            activation=activation_name(message.activation),
            maps_decision=MapsDecision.of(message.maps_decision) if message.HasField("maps_decision") else None,
        )

    def plot(self, photo: "ImageLike | None" = None) -> "Figure":
        """Return a figure of matplotlib with the classes and the maps, drawn over `photo` if that is given.

        `photo` is the image that was classified. Raises ModuleNotFoundError without matplotlib (the extra `plot`), and
        InvalidImage for an image that cannot be read here or has another shape.
        """
        return self._figure(photo, interactive=False)

    def show(self, photo: "ImageLike | None" = None) -> None:
        """Open the figure of `plot` in a window, or below the cell of a notebook. Raises as `plot` does."""
        self._figure(photo, interactive=True)
        from matplotlib import pyplot

        pyplot.show()

    def _figure(self, photo: "ImageLike | None", interactive: bool) -> "Figure":
        # Who only classifies loads none of it.
        from vitscope.client.pictures.photo import read_photo
        from vitscope.client.pictures.plot import figure_of

        image = None if photo is None else read_photo(photo, self.geometry.image_size)
        return figure_of(self._view(), image, interactive)

    def _repr_html_(self) -> str:
        """Return the classes and the first maps as HTML, which notebooks show."""
        from vitscope.client.pictures.notebook import html_of

        return html_of(self._view())

    def _view(self) -> View:
        if self.activation == "none":
            classes = [(one.label, 0.0, f"{one.logit:.4g}") for one in self.classes]
        else:
            classes = [(one.label, one.probability, f"{one.probability:.1%}") for one in self.classes]
        best = f"{classes[0][0]}, {classes[0][2]}" if classes else "no class"
        place = self.geometry.place(*self.maps[0].values.shape) if self.maps else None
        views = tuple(MapView(one.name, one.values, one.class_index is not None) for one in self.maps)
        return View(f"{self.model} v{self.version}: {best}", tuple(classes), views, place)
