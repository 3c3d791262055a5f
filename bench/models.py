"""The models that are measured, made once and kept in build/bench/."""

import hashlib
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.photos import photo_jpegs, sample_jpegs
from vitscope.bundle import CLASSIFY, Bundle, open_bundle

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "bench"
FASHION = ROOT / "examples" / "fashion"
SIDE = 224


@dataclass(frozen=True)
class Shape:
    """Width, heads and MLP width of a ViT with 12 layers.

    Dosovitskiy et al. 2021, table 1; the two small ones: Touvron et al. 2021.
    """

    width: int
    heads: int
    mlp: int


SHAPES = {"vit-ti": Shape(192, 3, 768), "vit-s": Shape(384, 6, 1536), "vit-b": Shape(768, 12, 3072)}
TITLES = {
    "vit-ti": "ViT-Ti/16",
    "vit-s": "ViT-S/16",
    "vit-b": "ViT-B/16",
    "fashion": "bundled example",
    "noop": "no-op",
}


@dataclass(frozen=True)
class Model:
    """A model on disk. folder: what a server of this model alone is given. plain: the ordinary float32 ONNX export."""

    name: str
    folder: Path
    plain: Path

    @cached_property
    def bundle(self) -> Bundle:
        return open_bundle(self.folder / self.name / "1")

    @property
    def graph(self) -> Path:
        return self.bundle.graph_path(CLASSIFY)

    @cached_property
    def jpegs(self) -> tuple[bytes, ...]:
        """The images that the benchmark sends: photos of 640 x 480, or the samples of the bundled example."""
        return sample_jpegs(FASHION / "samples") if self.name == "fashion" else photo_jpegs()


def prepare(name: str, build: Path = BUILD) -> Model:
    """Return the model `name`. Makes it unless an earlier run has made it with the same code and tools."""
    cache = build / f"models-{_fingerprint()}"
    model = Model(name, cache / name / "bundles", cache / name / "plain" / "model.onnx")
    if not model.plain.exists():
        shutil.rmtree(cache / name, ignore_errors=True)
        _make(model, cache / name / "checkpoint")
    return model


def _make(model: Model, folder: Path) -> None:
    from vitscope.export.pipeline import ExportJob, export_checkpoint  # imports torch, which takes seconds

    if model.name == "fashion":
        checkpoint = FASHION
    else:
        checkpoint = folder
        save_random(checkpoint, SHAPES[model.name])
    export_checkpoint(
        ExportJob(str(checkpoint), model.folder, model.name, version=1, certificate=model.name == "fashion")
    )
    export_plain(checkpoint, model.plain)


def save_random(folder: Path, shape: Shape) -> None:
    """Save a Hugging Face checkpoint of a ViT with patches of 16 pixels, 1,000 classes and random weights."""
    import torch
    import transformers
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=shape.width,
        num_attention_heads=shape.heads,
        intermediate_size=shape.mlp,
        image_size=SIDE,
        num_labels=1000,
    )
    model = transformers.ViTForImageClassification(config)
    with torch.no_grad():
        model.classifier.weight.normal_(std=0.5)  # by default all classes would be almost equally probable
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)


def export_plain(checkpoint: Path, path: Path) -> None:
    """Export the checkpoint with torch.onnx.export as Hugging Face loads it: float32 pixels [N, 3, H, W] to logits."""
    import torch
    import transformers

    class Logits(torch.nn.Module):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(pixel_values=pixel_values).logits
            return logits

    model = transformers.AutoModelForImageClassification.from_pretrained(checkpoint, attn_implementation="sdpa").eval()
    side = model.config.image_size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own use of its deprecated pytree interface
        program = torch.onnx.export(
            Logits(model).eval(),
            (torch.zeros(2, 3, side, side),),
            dynamo=True,
            input_names=["pixel_values"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    program.save(path, external_data=True)


def _fingerprint() -> str:
    """Return a hash of the code and tools that the models depend on."""
    digest = hashlib.sha256()
    sources: Sequence[Path] = [
        *sorted((ROOT / "export").rglob("*.py")),
        *sorted((ROOT / "bundle").rglob("*.py")),
        Path(__file__),
        FASHION / "model.safetensors",
    ]
    for path in sources:
        digest.update(path.read_bytes())
    for tool in ("torch", "transformers", "onnx"):
        digest.update(version(tool).encode())
    return digest.hexdigest()[:12]
