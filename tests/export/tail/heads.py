"""Small models with random weights of each kind of head, and what their heads read."""

from collections.abc import Callable
from typing import Any

import torch

from tests.export.checkpoints import deit, dinov2, vit
from tests.export.families.makers import FORMS, MAKERS, beit
from vitscope.export.families import family_of
from vitscope.export.graph.attention import FusedAttention
from vitscope.export.methods import Evidence, Forward, Subject, observe
from vitscope.export.methods.evidence import read
from vitscope.export.tail import Gauge, Head, Read

HEADS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "vit": vit,
    "vit without biases": FORMS["vit no-bias"],
    "vit with ReLU": lambda: vit(hidden_act="relu"),
    "vit with tanh GELU": lambda: vit(hidden_act="gelu_pytorch_tanh"),
    "vit with quick GELU": lambda: vit(hidden_act="quick_gelu"),
    "deit": deit,
    "deit distilled": lambda: deit(teacher=True),
    "dinov2, layer scale": dinov2,
    "dinov2 with registers": lambda: dinov2(registers=4),
    "dinov2 with SwiGLU": lambda: dinov2(use_swiglu_ffn=True),
    "beit, layer scale, class token": lambda: beit("Beit", use_mean_pooling=False, layer_scale_init_value=0.5),
    "data2vec, class token": lambda: beit("Data2VecVision", use_mean_pooling=False, layer_scale_init_value=0.5),
    "beit, mean then norm": MAKERS["beit"],
    "ijepa, norm then mean": MAKERS["ijepa"],
    "clip": MAKERS["clip"],
    "siglip": MAKERS["siglip"],
    "swin": MAKERS["swin"],
    "hiera": MAKERS["hiera"],
}


def subject(make: Callable[[], tuple[Any, Any]], gauge: Gauge) -> Subject:
    """Make a model whose weights are large enough to bend the path."""
    model, _ = make()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            level = (
                1.0 if (tensor.ndim == 1 and "norm" in name and name.endswith("weight")) or "lambda" in name else 0.0
            )
            tensor.copy_(level + torch.randn(tensor.shape, generator=generator) * (0.3 if tensor.ndim > 1 else 0.2))
    model.eval().requires_grad_(False)
    model.config.architectures = [type(model).__name__]
    family = family_of(model.config)
    size = family.native_size(model)
    family.freeze(model, size)
    return Subject(model, family, family.geometry(model, size), gauge)


def passed(subject: Subject) -> tuple[Forward, Head, list[Read]]:
    """Run three images of noise. Returns the pass, the head and what it reads."""
    model, family = subject.model, subject.family
    size, method = family.native_size(model), Evidence()
    attend = FusedAttention([method], family.sizes(model).layers, subject.geometry)
    pixels = torch.randn(3, 3, size.height, size.width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), family.replace(model, attend):
        forward = observe(subject, pixels, attend.kept, modules=method.observed(subject))
    return forward, *read(forward, [layer[method.name] for layer in forward.attention])
