"""The schema of manifest.json."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from vitscope.bundle.activation import Activation
from vitscope.bundle.fields import Identifier, Natural, Positive, Sha256, Strict
from vitscope.bundle.graphs import ATTENTION, CLASSIFY, EVIDENCE, FLOATING, FULL, Graph, GraphName, Output, Variant
from vitscope.calibration import LEAST, MOST

SCHEMA_VERSION = 2  # 1 knows no graphs with further inputs, and not why a method is not offered

Version = Annotated[int, Field(gt=0, lt=2**32)]  # a uint32 in the API
NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Three = tuple[float, float, float]
# Strict: a text that looks like a number is none.
Temperature = Annotated[float, Field(strict=True, ge=LEAST, le=MOST)]
Grey = Annotated[int, Field(ge=0, le=255)]


class Resize(Strict):
    """The resize of an image, before it is cropped or padded to the model's input. Antialiased, as in Pillow.

    squash: to `height` x `width`. shortest_edge: the shorter side to `edge`, the longer one to
    floor(edge * longer / shorter). letterbox: into `height` x `width` with its aspect ratio, sides rounded down; with
    `edge` the shorter side to `edge`, but where the longer one would then exceed `height` (= `width`) it becomes that,
    and the shorter one is rounded to the nearest pixel. none: not at all. rounding: of the sides of a letterbox without
    `edge`, down as in transformers, or to the nearest pixel (the even one of two) as in timm.
    """

    mode: Literal["squash", "shortest_edge", "letterbox", "none"]
    height: Positive | None = None
    width: Positive | None = None
    edge: Positive | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    rounding: Literal["down", "nearest"] = "down"

    @model_validator(mode="after")
    def _sizes_of_the_mode(self) -> Self:
        sides = (self.height is not None) + (self.width is not None)
        if sides != (2 if self.mode in ("squash", "letterbox") else 0):
            raise ValueError("squash and letterbox need height and width, the others take neither")
        if self.mode != "letterbox" and (self.edge is not None) != (self.mode == "shortest_edge"):
            raise ValueError("shortest_edge needs edge, and of the others only letterbox takes it")
        if self.rounding == "nearest" and (self.mode != "letterbox" or self.edge is not None):
            raise ValueError("rounding to the nearest pixel is for a letterbox without edge")
        if self.mode == "letterbox" and self.edge is not None and self.height != self.width:
            raise ValueError("letterbox with edge needs a height that equals its width")
        return self


class Padding(Strict):
    """What surrounds an image that is smaller than the model's input.

    place: of the image, in the centre (half a pixel as `crop_offset` says), or at the start, with all padding below and
    to the right. fill: its colour. Where the processor pads with zeros after normalisation, as `start` does, its colour
    is the mean, and the graphs replace `fill` by the mean itself, which need not be a whole number.
    """

    place: Literal["centre", "start"]
    fill: tuple[Grey, Grey, Grey] = (0, 0, 0)


class InputContract(Strict):
    """The input of the graphs: uint8 [N, height, width, 3] RGB, resized and then cropped at the centre or padded.

    Resize, crop and padding are those of the checkpoint's own processor. crop_offset: how half a pixel is rounded where
    the crop begins: down, as in transformers, or to the even neighbour, as in torchvision and timm. Where the image
    is smaller, half a pixel of padding goes to its left or top with the former, to its right or bottom with the latter.
    padding: None if no image is ever smaller than the input. `rescale`, `mean` and `std` (0..1) are applied inside the
    graphs; they are here for information.
    """

    height: Positive
    width: Positive
    colour: Literal["RGB"] = "RGB"
    resize: Resize
    crop_offset: Literal["down", "half_even"] = "down"
    padding: Padding | None = None
    rescale: float = 1 / 255
    mean: Three
    std: Three

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        resize, size = self.resize, (self.height, self.width)
        largest = (resize.height, resize.width) if resize.mode in ("squash", "letterbox") else (resize.edge,) * 2
        if self.padding is None:
            if resize.mode in ("letterbox", "none"):
                raise ValueError(f"resize {resize.mode} needs padding")
            if any(crop > (side or 0) for crop, side in zip(size, largest, strict=True)):
                raise ValueError(f"a crop of {self.height}x{self.width} does not fit in a resize to {largest}")
        elif self.padding.place == "start" and (
            resize.mode in ("shortest_edge", "none")
            or any((side or 0) > given for side, given in zip(largest, size, strict=True))
        ):
            raise ValueError(f"a resize to {largest} may exceed {self.height}x{self.width}, and is not cropped")
        return self


# What the head reads: the class token, with the distillation token or the mean over patches beside it, the mean over
# patches alone, or what a learned query attends to.
Pooling = Literal["cls", "cls+distillation", "cls+mean", "mean", "attention"]

# Whose attention the maps show: the class token's, the mean over all patches as queries, or the pooling query's.
AttentionFrom = Literal["class_token", "mean_of_patches", "pooling_probe"]


class TokenGeometry(Strict):
    """The token sequence: class token, distillation token, registers, then rows x cols patches in row-major order.

    Where blocks merge patches, it is the sequence after the last one. attention_from: None for models that attend
    within windows, which have no map of attention over the image.
    """

    patch_height: Positive
    patch_width: Positive
    grid_rows: Positive
    grid_cols: Positive
    cls_tokens: Literal[0, 1] = 1
    distillation_tokens: Literal[0, 1] = 0
    register_tokens: Natural = 0
    pooling: Pooling
    attention_from: AttentionFrom | None = "class_token"

    @property
    def prefix(self) -> int:
        """Tokens before the first patch."""
        return self.cls_tokens + self.distillation_tokens + self.register_tokens

    @property
    def patches(self) -> int:
        return self.grid_rows * self.grid_cols


# What tells patches apart by their place: a table that is added to them, of weights or of sines; rotations of queries
# and keys; biases that are added to the scores by distance.
PositionKind = Literal["table", "sine", "rope", "relative"]


class Provenance(Strict):
    """The origin of the weights. `source` is a folder's name or a hub id, never a path of the exporting machine.

    processor: the class of the image processor that prepared images in training, and its backend as far as the
    checkpoint tells: pil, torchvision, or either. The server resizes as Pillow does. Empty in older bundles.
    """

    source: str
    weights_sha256: Sha256
    processor: str = ""
    tools: dict[str, str]


_EVIDENCE_SIZES: dict[str, tuple[int, ...]] = {"evidence_ledger": (5,), "evidence_class": ()}


def _served_methods(manifest: dict[str, Any]) -> tuple[str, ...]:
    """Return the methods of a manifest that was written before it listed them: attention was the only one."""
    graph = manifest.get("graphs", {}).get(CLASSIFY)
    return (ATTENTION,) if graph and graph.has(ATTENTION) else ()


class Manifest(Strict):
    """manifest.json. methods: the explanation methods whose outputs the graphs have. not_offered: the reason why
    this model cannot have one, by its name.

    activation: of the head, applied to the logits by whoever reads them. A manifest that was written before there was
    another one does not have it: softmax. temperature: divides the logits before that; 1 is not written, so that an
    older server reads the bundle. positions: none, one or several kinds, whose arrays explain.npz has; None where it is
    not known, in a manifest that was written before it was.
    """

    schema_version: Literal[1, 2] = 2
    name: Name
    version: Version
    family: str
    labels: tuple[str, ...] = Field(min_length=1)
    input: InputContract
    tokens: TokenGeometry
    positions: tuple[PositionKind, ...] | None = None
    layers: Positive
    heads: Positive
    width: Positive
    graphs: dict[GraphName, Graph]
    methods: tuple[Identifier, ...] = Field(default_factory=_served_methods)
    not_offered: dict[Identifier, str] = Field(default_factory=dict)
    activation: Activation = "softmax"
    temperature: Temperature = 1.0
    provenance: Provenance
    files: dict[str, Sha256]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.activation == "none" and self.temperature != 1:
            raise ValueError(
                f"temperature is {self.temperature:g}, but with activation none there are no probabilities"
            )
        if CLASSIFY not in self.graphs:
            raise ValueError(f"graphs must hold {CLASSIFY!r}")
        for name, graph in self.graphs.items():
            for file in (graph.file, *graph.variants.values()):
                if file not in self.files:
                    raise ValueError(f"graph {name!r} names {file!r}, which is not among files")
        if len({frozenset(graph.variants) for name, graph in self.graphs.items() if name not in FLOATING}) > 1:
            raise ValueError("a variant is of all graphs or of none")
        grid = (self.tokens.grid_rows * self.tokens.patch_height, self.tokens.grid_cols * self.tokens.patch_width)
        # Strided convolution drops a remainder, so the grid may be smaller than the input by less than a patch.
        if not (0 <= self.input.height - grid[0] < self.tokens.patch_height) or not (
            0 <= self.input.width - grid[1] < self.tokens.patch_width
        ):
            raise ValueError(
                f"a grid of {grid[0]}x{grid[1]} pixels does not fit an input of {self.input.height}x{self.input.width}"
            )
        for name, graph in self.graphs.items():
            for output in graph.outputs:
                if output.shape != (expected := self._shape(name, output)):
                    raise ValueError(
                        f"graph {name!r} says {output.name} is {output.shape}; the other fields make it {expected}"
                    )
        if self.has_attention and self.tokens.attention_from is None:
            raise ValueError("tokens.attention_from is null, but the graphs have the output 'attention'")
        if (ATTENTION in self.methods) != self.has_attention:
            has = "has" if self.has_attention else "lacks"
            raise ValueError(f"methods are {list(self.methods)}, but graph {CLASSIFY!r} {has} the output 'attention'")
        return self

    @model_serializer(mode="wrap")
    def _without_default(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = serialize(self)
        if found.get("temperature") == 1:
            del found["temperature"]
        return found

    def _shape(self, graph: GraphName, output: Output) -> tuple[str | int, ...]:
        """Return the shape that an output must have. Of other methods than attention, only the batch is known."""
        if output.name == "logits":
            return ("N", len(self.labels))
        layers = (self.layers,) if graph == ATTENTION else ()
        if output.name == "attention":
            return ("N", *layers, self.heads, self.tokens.patches)
        if output.name == "attention_prefix":
            return ("N", *layers, self.heads, self.tokens.prefix)
        if output.name == "evidence_norms":
            return ("N", self.tokens.patches)
        if graph == EVIDENCE:
            return ("N", "K", *_EVIDENCE_SIZES.get(output.name, (self.tokens.patches,)))
        if graph == FULL:
            return self._full_shape(output)
        return ("N", *output.shape[1:])

    def _full_shape(self, output: Output) -> tuple[str | int, ...]:
        tokens = self.tokens.prefix + self.tokens.patches
        each_head, each_state = (self.layers, self.heads, tokens), (self.layers + 1, tokens)
        shapes = {
            "matrices": (*each_head, tokens),
            "token_norms": each_state,
            "updates": (self.layers, 2, tokens),
            "lens": (*each_state, len(self.labels)),
            **dict.fromkeys(("queries", "keys", "values"), (*each_head, *output.shape[4:5])),
        }
        return ("N", *shapes.get(output.name, output.shape[1:]))

    @property
    def variants(self) -> frozenset[Variant]:
        """The variants that every graph has."""
        return frozenset(self.graphs[CLASSIFY].variants)

    @property
    def has_attention(self) -> bool:
        """True if the `classify` graph has the last layer's attention rows, so that maps can be requested."""
        return self.graphs[CLASSIFY].has("attention")
