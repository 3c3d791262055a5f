"""Small Vision Transformers with random weights, exported by the real export."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch
import transformers
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

from vitscope.bundle import CLASSIFY, Graph, GraphName, InputContract, Resize
from vitscope.export.checkpoint.positions import token_geometry
from vitscope.export.checkpoint.preprocess import Size
from vitscope.export.families import FAMILIES
from vitscope.export.graph import PixelClassifier, cut, describe_graphs, trace
from vitscope.export.graph.weights import write_graphs
from vitscope.export.methods import Attention

FamilyName = Literal["vit", "deit", "deit-distilled", "dinov2", "dinov2-with-registers"]
FAMILY_NAMES: tuple[FamilyName, ...] = ("vit", "deit", "deit-distilled", "dinov2", "dinov2-with-registers")


Once = Callable[[str, Callable[[Path], None]], Path]
_once: Once | None = None


def share(once: Once) -> None:
    """Trace each model in one of the processes that run tests, for all of them: `once` has a folder filled."""
    global _once
    _once = once


class Shape(TypedDict, total=False):
    """The size of a model; missing keys are as in DEFAULTS.

    image: side of the input in pixels; patches are 16 pixels wide, those of DINOv2 14. attention: whether the outputs
    are logits, attention and attention_prefix; without it logits alone, and there is no graph "attention".
    """

    layers: int
    width: int
    heads: int
    image: int
    classes: int
    attention: bool


DEFAULTS: Shape = {"layers": 2, "width": 192, "heads": 3, "image": 64, "classes": 10, "attention": True}


def traced(family: FamilyName = "vit", graph: GraphName = CLASSIFY, **shape: Unpack[Shape]) -> onnx.ModelProto:
    """Return a copy of an exported float32 graph, weights inside. The export runs once per session, see `share`."""
    copy = onnx.ModelProto()
    copy.CopyFrom(_proto(family, graph, **{**DEFAULTS, **shape}))
    return copy


def described(family: FamilyName = "vit", **shape: Unpack[Shape]) -> dict[GraphName, Graph]:
    """Return the entries of the same graphs in a manifest."""
    return _exported(family, **{**DEFAULTS, **shape})[0]


def written(folder: Path, family: FamilyName = "vit", **shape: Unpack[Shape]) -> dict[GraphName, Path]:
    """Write the same graphs as in a bundle: graphs/NAME.onnx in `folder`, sharing graphs/weights.bin."""
    graphs, parts = _exported(family, **{**DEFAULTS, **shape})
    paths = {name: folder / graphs[name].file for name in parts}
    # Clones, because writing moves the weights out of the model that is given.
    write_graphs({paths[name]: part.clone() for name, part in parts.items()}, "weights.bin")
    return paths


def pixels(count: int, image: int = 64, seed: int = 0) -> np.ndarray:
    """Return uint8 [count, image, image, 3]: coloured squares with a little noise, closer to photos than noise.

    Values 0 and 255 occur.
    """
    random = np.random.default_rng(seed)
    side = -(-image // 8)
    squares = random.uniform(-0.3, 1.3, (count, 8, 8, 3)).repeat(side, 1).repeat(side, 2)[:, :image, :image]
    levels: np.ndarray = np.rint(255 * (squares + random.normal(0, 0.05, squares.shape)).clip(0, 1))
    return levels.astype(np.uint8)


def outputs(model: onnx.ModelProto, batch: np.ndarray) -> dict[str, np.ndarray]:
    """Run a graph with ONNX Runtime on the CPU. batch: uint8 [N, H, W, 3]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))


@cache
def _proto(family: FamilyName, graph: GraphName, **shape: Unpack[Shape]) -> onnx.ModelProto:
    return ir.to_proto(_exported(family, **shape)[1][graph])


@cache
def _exported(family: FamilyName, **shape: Unpack[Shape]) -> tuple[dict[GraphName, Graph], dict[GraphName, ir.Model]]:
    model, image, attention = _model(family, **shape).eval(), shape["image"], shape["attention"]
    known = FAMILIES[type(model).__name__]
    contract = InputContract(
        height=image,
        width=image,
        resize=Resize(mode="squash", height=image, width=image, interpolation="bilinear"),
        mean=(0.5, 0.5, 0.5) if family == "vit" else (0.485, 0.456, 0.406),
        std=(0.5, 0.5, 0.5) if family == "vit" else (0.229, 0.224, 0.225),
    )
    tokens = token_geometry(model, known, Size(image, image))
    methods = (Attention(),) if attention else ()
    known.freeze(model, Size(image, image))
    graphs = describe_graphs(known.sizes(model), shape["classes"], tokens, methods)

    def fill(folder: Path) -> None:
        folder.mkdir()
        traced = trace(PixelClassifier(model, known, contract, tokens, methods), contract, graphs)
        for name, part in cut(traced, graphs).items():
            ClearMetadataAndDocStringPass()(part)
            ir.save(part, folder / f"{name}.onnx")

    assert _once, "share() is called by a fixture of tests/server/conftest.py"
    folder = _once("-".join(["traced", family, *map(str, shape.values())]), fill)
    return graphs, {name: ir.load(folder / f"{name}.onnx") for name in graphs}


def _model(family: FamilyName, **shape: Unpack[Shape]) -> Any:
    width = shape["width"]
    config: dict[str, Any] = {
        "hidden_size": width,
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "image_size": shape["image"],
        "patch_size": 14 if family.startswith("dinov2") else 16,
        "num_labels": shape["classes"],
    }
    if family == "vit":
        model = transformers.ViTForImageClassification(transformers.ViTConfig(**config, intermediate_size=4 * width))
    elif family.startswith("deit"):
        distilled = family == "deit-distilled"
        kind = (
            transformers.DeiTForImageClassificationWithTeacher if distilled else transformers.DeiTForImageClassification
        )
        model = kind(transformers.DeiTConfig(**config, intermediate_size=4 * width))
    elif family == "dinov2":
        model = transformers.Dinov2ForImageClassification(transformers.Dinov2Config(**config))
    else:
        registered = transformers.Dinov2WithRegistersConfig(**config, num_register_tokens=4)
        model = transformers.Dinov2WithRegistersForImageClassification(registered)
    return _like_trained(model)


def _like_trained(model: Any) -> Any:
    """Set weights as after training, unlike those of a fresh initialisation.

    They keep activations near 1, spread attention scores by about 2 (neither uniform nor one-hot) and separate classes.
    """
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:  # biases and LayerNorms
                parameter += 0.1 * noise
            elif name.endswith(("_token", "_tokens", "position_embeddings")):
                parameter.copy_(0.5 * noise)
            else:
                gain = (
                    4.0 if "classifier" in name else 1.5 if name.endswith(("q_proj.weight", "k_proj.weight")) else 1.0
                )
                parameter.copy_(noise * gain / parameter[0].numel() ** 0.5)
    return model
