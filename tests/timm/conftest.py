"""timm needs torchvision, which transformers uses for image processors as soon as it is there.

So both are installed in a folder of their own, and `make unit` runs these tests with it on the path, apart from all
others, which see what users without timm have.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if importlib.util.find_spec("timm") is None:
    collect_ignore_glob = ["test_*.py"]


def _define_operators() -> torch.library.Library | None:
    """Declare torchvision's compiled operators where its library is for another build of torch, as for CUDA on a CPU.

    Nothing here calls them, but torchvision cannot be imported without.
    """
    spec = importlib.util.find_spec("torchvision")
    assert spec and spec.origin
    try:
        torch.ops.load_library(Path(spec.origin).with_name("_C.so"))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library
    return None


@pytest.fixture(scope="session", autouse=True)
def _operators() -> Iterator[None]:
    library = _define_operators() if importlib.util.find_spec("timm") else None
    yield
    del library
