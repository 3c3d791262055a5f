"""The model versions of a server, as `list_models`, `get_model` and `Admin` return them."""

from dataclasses import dataclass, field
from typing import Self

from vitscope.client.engine import CertificateEntry, EngineInfo
from vitscope.client.fields import activation_name, enum_name
from vitscope.client.pixels import ImageDecoding
from vitscope.v1 import image_pb2, model_pb2


@dataclass(frozen=True)
class ModelSummary:
    """One version of a model and whether the server serves it."""

    name: str
    """Name of the model."""
    version: int
    """Version, from 1."""
    state: str
    """One of "loading", "ready", "failed", "draining" (finishes its requests, accepts no more) and "unloaded" (in the
    models folder, but not loaded; only `Admin` reports it). "unspecified" for a state unknown to this client."""
    state_detail: str
    """Reason for the state, for people to read; may be empty."""
    engine: str
    """Engine and precision, for example "openvino/bf16"; empty unless the state is "ready"."""
    raw: model_pb2.ModelSummary = field(repr=False, compare=False)
    """The message as received."""

    @property
    def detail(self) -> str:
        """Short for `state_detail`."""
        return self.state_detail

    @classmethod
    def of(cls, message: model_pb2.ModelSummary) -> Self:
        """Convert a received message."""
        return cls(
            name=message.name,
            version=message.version,
            state=_state(message),
            state_detail=message.state_detail,
            engine=message.engine,
            raw=message,
        )


@dataclass(frozen=True)
class InputContract:
    """How an image becomes the input of the model, as the model's own processor did it in training."""

    width: int
    """Width of the input in pixels."""
    height: int
    """Height of the input in pixels."""
    resize_mode: str
    """One of "squash", "shortest_edge", "letterbox" and "none". "squash": both sides are scaled to the input size and
    the aspect ratio is lost. "shortest_edge": the shorter side is scaled to a fixed length, the aspect ratio is kept
    and a centre crop follows. "letterbox": the whole image is scaled into a size, its aspect ratio is kept and padding
    follows. "none": the image is cropped or padded as it is."""
    resize_to: tuple[int, ...]
    """Size before crop and padding in pixels: (width, height) for "squash" and, as the most, for "letterbox", (shortest
    edge,) for "shortest_edge", empty for "none"."""
    interpolation: str
    """Resampling filter: "nearest", "bilinear", "bicubic" or "lanczos"; all but "nearest" are antialiased."""
    mean: tuple[float, ...]
    """Mean that is subtracted from each channel, for pixels scaled to 0..1. Applied inside the graph."""
    std: tuple[float, ...]
    """Standard deviation that each channel is then divided by. Applied inside the graph."""
    padding_color: tuple[int, ...] = ()
    """Colour of what surrounds an image that does not fill the input: red, green and blue, 0..255; empty where none
    does, and from older servers."""

    @classmethod
    def of(cls, message: model_pb2.InputContract) -> Self:
        """Convert a received message."""
        return cls(
            width=message.width,
            height=message.height,
            resize_mode=enum_name(image_pb2.ResizeMode, "RESIZE_MODE", message.resize_mode),
            resize_to=tuple(message.resize_to),
            interpolation=message.interpolation,
            mean=tuple(message.mean),
            std=tuple(message.std),
            padding_color=tuple(message.padding_color),
        )


@dataclass(frozen=True)
class TokenGeometry:
    """How the input becomes tokens: class token, distillation token, registers, then patches in row-major order."""

    patch_width: int
    """Width of a patch in pixels of the input."""
    patch_height: int
    """Height of a patch in pixels of the input."""
    grid_rows: int
    """Rows of patches."""
    grid_cols: int
    """Columns of patches."""
    cls_tokens: int
    """Number of class tokens: 0 or 1."""
    distillation_tokens: int
    """Number of distillation tokens: 0 or 1."""
    register_tokens: int
    """Number of register tokens, from 0."""
    pooling: str
    """What the classification head reads: "cls", "cls+distillation", "cls+mean", "mean" (over patches) or "attention"
    (of a learned query)."""
    attention_from: str
    """Whose attention the maps show: "class_token", "mean_of_patches" (over all of them as queries) or "pooling_probe"
    (the head's learned query). Empty for models that attend within windows, which have no map of attention."""

    @classmethod
    def of(cls, message: model_pb2.TokenGeometry) -> Self:
        """Convert a received message."""
        return cls(
            patch_width=message.patch_width,
            patch_height=message.patch_height,
            grid_rows=message.grid_rows,
            grid_cols=message.grid_cols,
            cls_tokens=message.cls_tokens,
            distillation_tokens=message.distillation_tokens,
            register_tokens=message.register_tokens,
            pooling=message.pooling,
            attention_from=message.attention_from,
        )


@dataclass(frozen=True)
class Provenance:
    """Origin of the weights."""

    source: str
    """Name of the source checkpoint: a folder's name or a hub id."""
    weights_sha256: str
    """SHA-256 of the source weights, hexadecimal."""
    tools: dict[str, str]
    """Versions of the tools that made the bundle, by name."""

    @classmethod
    def of(cls, message: model_pb2.Provenance) -> Self:
        """Convert a received message."""
        return cls(message.source, message.weights_sha256, dict(message.tools))


@dataclass(frozen=True)
class Model:
    """One version of a model in full."""

    name: str
    """Name of the model."""
    version: int
    """Version, from 1."""
    state: str
    """State, as in `ModelSummary.state`."""
    state_detail: str
    """Reason for the state, for people to read; may be empty."""
    family: str
    """Model family, for example "vit" or "dinov2"."""
    labels: tuple[str, ...]
    """Class names in the order of the logits."""
    input: InputContract
    """How an image becomes the input of the model."""
    tokens: TokenGeometry
    """How the input becomes tokens."""
    layers: int
    """Number of encoder layers."""
    heads: int
    """Number of attention heads in each layer."""
    width: int
    """Dimension of a token."""
    provenance: Provenance
    """Origin of the weights."""
    engine: EngineInfo | None
    """The engine that runs the model; None unless the state is "ready"."""
    certificate: tuple[CertificateEntry, ...]
    """Parity with the source checkpoint, for each engine and precision measured at export or on the server."""
    has_attention: bool
    """True when the bundle can return attention maps."""
    methods: tuple[str, ...]
    """Explanation methods that the bundle can return maps of, such as "attention"."""
    raw: model_pb2.Model = field(repr=False, compare=False)
    """The message as received."""
    activation: str = "softmax"
    """What the probabilities of its answers are, as in `Result.activation`."""
    temperature: float = 1.0
    """What the logits are divided by before the activation, so that probabilities are as large as they are right; the
    logits of a `Result` are not divided. 1 where nothing was calibrated."""
    decoding: ImageDecoding = field(default_factory=ImageDecoding)
    """How images become its pixels on this server."""
    explain_parts: tuple[str, ...] = ()
    """Parts that `explain` can return of it, such as "matrices". Empty where it was exported without what is inside of
    its encoder; a server of before this field tells none."""

    @classmethod
    def of(cls, message: model_pb2.Model) -> Self:
        """Convert a received message."""
        summary = message.summary
        return cls(
            name=summary.name,
            version=summary.version,
            state=_state(summary),
            state_detail=summary.state_detail,
            family=message.family,
            labels=tuple(message.labels),
            input=InputContract.of(message.input),
            tokens=TokenGeometry.of(message.tokens),
            layers=message.layers,
            heads=message.heads,
            width=message.width,
            provenance=Provenance.of(message.provenance),
            engine=EngineInfo.of(message.engine) if message.HasField("engine") else None,
            certificate=tuple(map(CertificateEntry.of, message.certificate)),
            has_attention=message.has_attention,
            methods=tuple(message.methods),
            raw=message,
            activation=activation_name(message.activation),
            temperature=message.temperature or 1.0,
            decoding=ImageDecoding.of(message.decoding),
            explain_parts=tuple(message.explain_parts),
        )


def _state(message: model_pb2.ModelSummary) -> str:
    return enum_name(model_pb2.ModelState, "MODEL_STATE", message.state)
