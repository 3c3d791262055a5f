"""Where a training runs and how precisely it counts."""

from dataclasses import dataclass

import torch

from vitscope.finetune.errors import FinetuneError

FLOAT32, BFLOAT16, FLOAT16 = PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Place:
    """device: `cpu` or `cuda`. precision: of the matrix products in training; weights and measurements are float32."""

    device: str
    precision: str

    def __str__(self) -> str:
        """Return it for people."""
        name = torch.cuda.get_device_name() if self.device == "cuda" else "CPU"
        return f"{name}, {self.precision}"


def choose_place(device: str, precision: str) -> Place:
    """Return the place; `auto` is a GPU where there is one, and bfloat16 where the processor computes with it.

    Raises FinetuneError for a GPU that is not there, and float16 on a CPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise FinetuneError("--device cuda: torch finds no GPU here; accepted are cpu and auto")
    chosen = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if chosen == "cpu" and precision == FLOAT16:
        raise FinetuneError("--precision float16 needs a GPU; accepted on a CPU are auto, float32 and bfloat16")
    if precision == "auto":
        precision = _best(chosen)
    return Place(chosen, precision)


def _best(device: str) -> str:
    if device == "cuda":
        return BFLOAT16 if torch.cuda.is_bf16_supported() else FLOAT16
    return BFLOAT16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else FLOAT32
