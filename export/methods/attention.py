"""Attention: the class token's softmax rows, of the last layer in `classify` and of every layer in `attention`."""

from collections.abc import Mapping

import numpy as np
import torch

from vitscope.bundle import ATTENTION, CLASSIFY, GraphName, Output
from vitscope.export.methods.forward import Forward
from vitscope.export.methods.method import Bar, Dimensions, Method

PATCHES, PREFIX = "attention", "attention_prefix"


class Attention(Method):
    """Outputs `attention` over the patches [N, H, P] and `attention_prefix` over the prefix tokens [N, H, prefix].

    The `attention` graph has both for every layer, [N, L, H, P] and [N, L, H, prefix].
    """

    name = "attention"
    # A reduced precision is held to 0.999 in each layer's mean: single sharp rows of a half-trained model fell to
    # 0.975 in PyTorch's own bfloat16 too. The floor only catches a broken head.
    bar = Bar(cosine=0.999, floor=0.95)

    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        tokens = dimensions.tokens

        def rows(*lead: int) -> tuple[Output, ...]:
            return (
                Output(name=PATCHES, shape=("N", *lead, tokens.patches)),
                Output(name=PREFIX, shape=("N", *lead, tokens.prefix)),
            )

        return {CLASSIFY: rows(dimensions.heads), ATTENTION: rows(dimensions.layers, dimensions.heads)}

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        prefix, layers = forward.family.prefix(forward.model), self._layers(forward)
        last, every = layers[-1], torch.stack(layers, dim=1)
        return {name: (rows[..., prefix:], rows[..., :prefix]) for name, rows in ((CLASSIFY, last), (ATTENTION, every))}

    def reference(self, forward: Forward) -> torch.Tensor:
        """Return float32 [N, L, H, T]."""
        return torch.stack(self._layers(forward), dim=1)

    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Join prefix and patches to whole rows."""
        return np.concatenate([outputs[PREFIX], outputs[PATCHES]], axis=-1) if PATCHES in outputs else None

    def expected(self, graph: GraphName, reference: np.ndarray) -> np.ndarray:
        return reference if graph == ATTENTION else reference[:, -1:]

    def side_branch(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """Compute the first token's row [N, H, T].

        The fusion holds only as long as nothing else reads its softmax, so this row is computed again, for 1/T of the
        work.
        """
        return torch.softmax(query[:, :, :1] @ key, dim=-1).squeeze(2)

    def keep(self, matrix: torch.Tensor) -> torch.Tensor:
        return matrix[:, :, 0].clone()  # not a view, which would keep the whole matrix in memory

    def softmaxes(self, graph: GraphName, layers: int) -> int:
        return layers if graph == ATTENTION else 1

    def _layers(self, forward: Forward) -> list[torch.Tensor]:
        """Return the rows [N, H, T] of each layer."""
        rows = [kept[self.name] for kept in forward.attention]
        return [row for row in rows if row is not None]
