"""The engine that runs a model on the server, and its measured parity with the source checkpoint."""

from dataclasses import dataclass
from typing import Self

from vitscope.v1 import model_pb2


@dataclass(frozen=True)
class EngineInfo:
    """The engine that runs the model on this server."""

    name: str
    """Name, for example "openvino", "onnxruntime" or "tensorrt"."""
    version: str
    """Version of the engine."""
    precision: str
    """One of "f32", "f16", "bf16", "int8" and "fp8"."""
    device: str
    """Device, as the engine names it."""
    reason: str
    """Why the server chose this engine and precision, in one sentence."""
    max_batch: int
    """Largest batch that is run at once, in images."""
    costs: dict[int, float]
    """Seconds of one run by batch size: the shortest of several runs at warm-up. Empty when not measured."""

    @classmethod
    def of(cls, message: model_pb2.EngineInfo) -> Self:
        """Convert a received message."""
        return cls(
            name=message.name,
            version=message.version,
            precision=message.precision,
            device=message.device,
            reason=message.reason,
            max_batch=message.max_batch,
            costs={cost.batch_size: cost.seconds for cost in message.costs},
        )


@dataclass(frozen=True)
class CertificateEntry:
    """Parity of one engine and precision with the source checkpoint, measured on real images."""

    engine: str
    """Name of the engine, as in `EngineInfo.name`."""
    precision: str
    """Precision, as in `EngineInfo.precision`."""
    passed: bool
    """True when every threshold was met."""
    images: int
    """Number of images compared."""
    top1_agreement: float
    """Share of images with the same answer, 0 to 1: the most probable class; of independent labels the set at 0.5; 1
    for a model whose answers are plain values."""
    max_logit_error: float
    """Largest absolute difference of a logit."""
    mean_attention_cosine: float
    """Mean cosine similarity between class-token rows of attention in the layer where that mean is lowest; 1 for a
    bundle without attention."""
    min_attention_cosine: float
    """Smallest cosine similarity between class-token rows of attention, over images, layers and heads; 1 for a bundle
    without attention."""
    non_finite: int
    """Number of outputs that are not finite."""
    mean_logit_error: float = 0.0
    """Mean absolute difference of a logit; 0 from a server that does not report it."""
    logit_spread: float = 0.0
    """Standard deviation of the logits, which their differences are held against; 0 where it was not recorded."""
    max_probability_error: float = 0.0
    """Largest difference of a probability, 0 to 1; 0 where it was not recorded or there are none."""

    @classmethod
    def of(cls, message: model_pb2.CertificateEntry) -> Self:
        """Convert a received message."""
        return cls(
            engine=message.engine,
            precision=message.precision,
            passed=message.passed,
            images=message.images,
            top1_agreement=message.top1_agreement,
            max_logit_error=message.max_logit_error,
            mean_attention_cosine=message.mean_attention_cosine,
            min_attention_cosine=message.min_attention_cosine,
            non_finite=message.non_finite,
            mean_logit_error=message.mean_logit_error,
            logit_spread=message.logit_spread,
            max_probability_error=message.max_probability_error,
        )
