"""Classifiers on the image encoders of CLIP, MetaCLIP 2 and SigLIP (SigLIP 2 too, where its resolution is fixed).

Their heads are linear on the mean over patches: of CLIP without a LayerNorm, of SigLIP after one. SigLIP has no class
token, and the probe of its own pooling head is not used for classification.
"""

from typing import Any

import torch

from vitscope.export.families.plain import Plain
from vitscope.export.size import Size


class Clip(Plain):
    """CLIP: the class token takes part in attention, and is not read by the classifier."""

    def config(self, model: Any) -> Any:
        return model.config.vision_config

    def projection(self, model: Any) -> Any:
        return self.embeddings(model).patch_embedding

    def table(self, model: Any) -> torch.Tensor | None:
        table: torch.Tensor = self.embeddings(model).position_embedding.weight[None]
        return table

    def set_table(self, model: Any, table: torch.nn.Parameter, size: Size) -> None:
        embeddings = self.embeddings(model)
        positions = torch.nn.Embedding(*table.shape[1:]).requires_grad_(False)
        positions.weight.data = table[0].data
        embeddings.position_embedding = positions
        # The plain path checks the size, and looks the table up with the old numbers.
        embeddings.interpolate_pos_encoding = lambda *_: positions.weight[None]
        forward = type(embeddings).forward
        embeddings.forward = lambda pixels, **_: forward(embeddings, pixels, interpolate_pos_encoding=True)

    def class_token(self, model: Any) -> torch.Tensor:
        token: torch.Tensor = self.embeddings(model).class_embedding
        return token

    def native_size(self, model: Any) -> Size:
        side = self.config(model).image_size
        return Size(side, side)

    def last(self, model: Any) -> torch.nn.Module:
        if self.norm:
            return super().last(model)
        return self.blocks(model)[-1]


_LAYOUT: dict[str, Any] = {
    "body": "vision_model", "layers": "encoder.layers", "attention": "self_attn", "pooling": "mean",
}  # fmt: skip

# CLIP's LayerNorm after the last block is for the class token alone.
FAMILIES = {
    "CLIPForImageClassification": Clip("clip", "CLIP", norm="", **_LAYOUT),
    "MetaClip2ForImageClassification": Clip("metaclip-2", "MetaCLIP 2", norm="", **_LAYOUT),
    "SiglipForImageClassification": Clip("siglip", "SigLIP", norm="post_layernorm", cls_tokens=0, **_LAYOUT),
}
