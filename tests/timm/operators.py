"""torchvision's compiled operators, where its library is for another build of torch, as for CUDA on a CPU.

Nothing in the tests calls them, but torchvision cannot be imported without. A plugin (`pytest -p`), because it has to
be loaded before transformers.
"""

import importlib.util
from pathlib import Path

import torch


def _declare() -> torch.library.Library | None:
    """Declare the operators. They live as long as the object that is returned."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    try:
        torch.ops.load_library(Path(spec.origin).with_name("_C.so"))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library
    return None


LIBRARY = _declare()
