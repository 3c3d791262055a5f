"""SwinV2: Swin with cosine attention and biases from a small network, in code of its own that needs no replacing."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from vitscope.export.families.family import Attend
from vitscope.export.families.swin import Swin
from vitscope.export.size import Size


class SwinV2(Swin):
    """Windows are as wide as at the size that the checkpoint was made for; other sizes are padded to them."""

    def refuses(self, config: Any) -> str:
        # Their table has a row for a class token that does not exist, and no input fits it.
        if config.use_absolute_embeddings:
            return "use_absolute_embeddings is true, which transformers cannot run for SwinV2; accepted: false"
        return ""

    def windows_fit(self, model: Any, size: Size) -> str:
        return ""

    def replace(self, model: Any, attend: Attend) -> AbstractContextManager[None]:
        return nullcontext()

    @torch.no_grad()
    def freeze(self, model: Any, size: Size) -> None:
        super().freeze(model, size)
        for module in model.modules():
            if hasattr(module, "continuous_position_bias_mlp"):
                # The network reads nothing but the offsets: its answers are constants.
                table = module.continuous_position_bias_mlp(module.relative_coords_table)
                module.continuous_position_bias_mlp = _Constant(table)


class _Constant(torch.nn.Module):
    """Gives the same table, whatever it is asked."""

    table: torch.Tensor

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.table


FAMILIES = {"Swinv2ForImageClassification": SwinV2("swinv2", "SwinV2", "swinv2")}
