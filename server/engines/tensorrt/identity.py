"""What a plan was built from, with and for. Where any of it differs, TensorRT refuses the plan or answers wrongly."""

from pydantic import BaseModel, ConfigDict

from vitscope.server.engines.contract import Precision

_WORDS = {
    "tensorrt": "TensorRT",
    "gpu": "GPU",
    "compute_capability": "compute capability",
    "multiprocessors": "multiprocessors",
    "driver": "CUDA driver",
    "graph": "graph",
    "precision": "precision",
    "batches": "batch sizes",
}


class PlanIdentity(BaseModel):
    """Everything that decides whether a plan may be used.

    tensorrt: version of the library that built it. gpu, compute_capability ("9.0"), multiprocessors, driver (the CUDA
    version that it supports): of the GPU that it was built on. graph: SHA-256 of the float32 ONNX file and its weights.
    batches: the sizes that it runs, in rising order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tensorrt: str
    gpu: str
    compute_capability: str
    multiprocessors: int
    driver: str
    graph: str
    precision: Precision
    batches: tuple[int, ...]

    def differences(self, wanted: "PlanIdentity") -> str:
        """Return how this identity differs from the one that is needed, both sides named; empty where it does not."""
        return "; ".join(
            f"{word}: the plan has {_shown(getattr(self, field))}, needed is {_shown(getattr(wanted, field))}"
            for field, word in _WORDS.items()
            if getattr(self, field) != getattr(wanted, field)
        )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value[:12] if isinstance(value, str) and len(value) == 64 else str(value)
