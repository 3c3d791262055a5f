"""The supported model families: attribute names of their parts, and their token sequences.

A new family is a new entry in FAMILIES, provided that its attention goes through transformers' AttentionInterface, its
first token is a class token, and its position table is added to the patch embeddings.
"""

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal

from vitscope.export.errors import ExportError


@dataclass(frozen=True)
class Family:
    """The attribute names of the parts of a Hugging Face classification model.

    name: `family` in the manifest. title: the name in messages. body: attribute of the transformer in the
    classification model. layers: path of the encoder blocks in the body. heads: attributes of the linear
    classifier(s), by their prefix in explain.npz. always_interpolates: the model interpolates its position table for
    any input size by default; otherwise only with `interpolate_pos_encoding`.
    """

    name: str
    title: str
    body: str
    layers: str = "layers"
    pooling: Literal["cls", "cls+distillation", "cls+mean"] = "cls"
    distillation_tokens: Literal[0, 1] = 0
    always_interpolates: bool = False
    heads: dict[str, str] = field(default_factory=lambda: {"head": "classifier"})

    def embeddings(self, model: Any) -> Any:
        """Return the module with class token, position table, patch embeddings and any further prefix tokens."""
        return getattr(model, self.body).embeddings

    def norm(self, model: Any) -> Any:
        """Return the LayerNorm after the last block, before pooling."""
        return getattr(model, self.body).layernorm

    def attentions(self, model: Any) -> list[Any]:
        """Return the attention module of each block, first to last."""
        return [layer.attention for layer in attrgetter(self.layers)(getattr(model, self.body))]

    def classifiers(self, model: Any) -> dict[str, Any]:
        """Return the linear head(s), by their prefix in explain.npz."""
        return {prefix: getattr(model, attribute) for prefix, attribute in self.heads.items()}

    def register_tokens(self, model: Any) -> int:
        """Count the learned tokens without position between the class token and the patches (arXiv:2309.16588)."""
        return getattr(model.config, "num_register_tokens", 0)

    def positioned_prefix(self) -> int:
        """Count the prefix tokens that have a row in the position table: all but registers."""
        return 1 + self.distillation_tokens

    def prefix(self, model: Any) -> int:
        """Count the tokens before the first patch."""
        return self.positioned_prefix() + self.register_tokens(model)


# Keys are the class names under `architectures` in config.json. Every DeiT of transformers has a distillation token;
# without a teacher's head it takes part in attention but is not classified.
FAMILIES = {
    "ViTForImageClassification": Family("vit", "ViT", "vit"),
    "DeiTForImageClassification": Family("deit", "DeiT", "deit", distillation_tokens=1),
    "DeiTForImageClassificationWithTeacher": Family(
        "deit-distilled", "DeiT distilled", "deit", distillation_tokens=1, pooling="cls+distillation",
        heads={"head": "cls_classifier", "distillation_head": "distillation_classifier"},
    ),
    "Dinov2ForImageClassification": Family(
        "dinov2", "DINOv2", "dinov2", layers="encoder.layer", pooling="cls+mean", always_interpolates=True
    ),
    "Dinov2WithRegistersForImageClassification": Family(
        "dinov2-with-registers", "DINOv2 with registers", "dinov2_with_registers", layers="encoder.layer",
        pooling="cls+mean", always_interpolates=True,
    ),
}  # fmt: skip


def family_of(config: Any) -> Family:
    """Return the family of a checkpoint, given its config.

    Raises ExportError for an unsupported architecture, a missing head or an input that is not RGB.
    """
    found = (getattr(config, "architectures", None) or ["none"])[0]
    family = FAMILIES.get(found)
    if family is None:
        raise ExportError(
            f"CHECKPOINT: its config.json names the architecture {found}; supported are fine-tuned classifiers of "
            + ", ".join(f"{f.title} ({name})" for name, f in FAMILIES.items())
        )
    if config.num_labels < 1:
        raise ExportError("CHECKPOINT: config.json has no labels (num_labels is 0); a classifier needs at least 1")
    if config.num_channels != 3:
        raise ExportError(f"CHECKPOINT: num_channels is {config.num_channels}; accepted is 3 (RGB input)")
    return family
