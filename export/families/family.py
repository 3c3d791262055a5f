"""What the export has to know about a family of classification models."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.families.middle import Middle, middle
from vitscope.export.size import Size
from vitscope.export.tail import Reading

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, float], torch.Tensor]
"""query, key, value [N, H, T, D], what is added to the scores (broadcast to [N, H, T, T]) or None, and the factor of
query @ key -> what attention gives, [N, H, T, D]. Called once for each encoder block, first to last, and then for the
pooling attention if the head has one."""

See = Callable[[torch.Tensor], None]
"""Takes the attention matrix [N, H, T, T] of each of the same calls."""


class Sizes(NamedTuple):
    """layers: encoder blocks. heads: attention heads of each (of the last, where they differ). width: of a token.

    head_width: of a query, key or value of one head.
    """

    layers: int
    heads: int
    width: int
    head_width: int


@dataclass(frozen=True)
class Linear:
    """The head as a linear function of the patches: logits = weight @ (mean of `parts` over the patches) + rest.

    parts: [N, P, D], of the patches in row-major order. weight: [C, D]. rest: [N, C], or [C] where it is a constant.
    """

    parts: torch.Tensor
    weight: torch.Tensor
    rest: torch.Tensor


class Family(ABC):
    """One family of models: where they keep their parts, what their token sequence is, and how they run.

    name: `family` in the manifest. title: in messages. Nothing is kept about a model: every method takes it, in float32
    and evaluation mode, as it was loaded or, where the docstring says so, with `freeze` done.
    """

    name: str
    title: str

    def refuses(self, config: Any) -> str:
        """Return why this form of the family cannot be exported, by its config.json; empty if it can."""
        return ""

    @abstractmethod
    def sizes(self, model: Any) -> Sizes:
        """Return what the manifest says of the encoder."""

    # Geometry

    @abstractmethod
    def native_size(self, model: Any) -> Size:
        """Return the input size that the checkpoint's positions are for."""

    @abstractmethod
    def patch_size(self, model: Any) -> Size:
        """Return the pixels that one cell of the final grid covers."""

    @abstractmethod
    def geometry(self, model: Any, size: Size) -> TokenGeometry:
        """Describe the token sequence at an input size, which `resizes` has accepted."""

    @abstractmethod
    def resizes(self, model: Any, size: Size) -> str:
        """Return why the model cannot take this input size, for a message that names the size; empty if it can."""

    def resize(self, model: Any, size: Size) -> None:
        """Have a model take an input size that `resizes` has accepted, in place, by means of its own.

        Does nothing where an option of the call is enough (see `options`).
        """
        return

    # Running

    def options(self, model: Any, size: Size) -> Mapping[str, Any]:
        """Return what the model has to be called with, beside the pixels, to take this input size before `freeze`."""
        return {}

    @abstractmethod
    def freeze(self, model: Any, size: Size) -> None:
        """Fix the model to an input size, in place: whatever depends on it alone becomes a constant of the graph.

        Afterwards it runs without options, and gives what it gave with them.
        """

    def logits(self, model: Any, pixels: torch.Tensor, options: Mapping[str, Any]) -> torch.Tensor:
        """Run the model on normalised pixels, float32 [N, 3, H, W]. Returns [N, C]."""
        logits: torch.Tensor = model(pixel_values=pixels, **options).logits
        return logits

    @abstractmethod
    def last(self, model: Any) -> torch.nn.Module:
        """Return the module that gives the last tokens, [N, T, D]: the norm before pooling, or else the last block."""

    def linear(self, model: Any, tokens: torch.Tensor) -> Linear | None:
        """Take the head apart at the tokens that `last` gave. Returns None for a head that is no sum over patches."""
        return None

    def reading(self, model: Any) -> Reading | str:
        """Take apart how the head reads tokens in the last attention, or return why that has no closed form.

        The reason is the end of a sentence about the model.
        """
        return f"vitscope has no closed form for the head of {self.title}"

    # The graph `full`. A family without maps of attention (windows) has none.

    def blocks(self, model: Any) -> list[torch.nn.Module]:
        """Return the encoder blocks, first to last."""
        raise NotImplementedError(f"{self.title} has no graph of everything inside of its encoder")

    def middles(self, model: Any) -> list[Middle]:
        """Return where each of them has the state between attention and MLP."""
        return [middle(block) for block in self.blocks(model)]

    def lens(self, model: Any, states: torch.Tensor, tokens: TokenGeometry) -> torch.Tensor:
        """Read each token as the head reads the tokens of the last state (logit lens). Not for a pooling query.

        states: [N, S, T, D], what enters the first block and what leaves each. Returns [N, S, T, C]. Of the last state,
        what the head takes, pooled as it pools (one token, the mean of two, the mean over the patches, or a token plus
        that mean), is the logits.
        """
        raise NotImplementedError(f"{self.title} has no logit lens")

    # Attention. A family without maps of attention (windows) need not have its attention watched or replaced.

    @abstractmethod
    def watch(self, model: Any, see: See) -> AbstractContextManager[None]:
        """Run the model's own attention, and let `see` have the matrices that it computes."""

    @abstractmethod
    def replace(self, model: Any, attend: Attend) -> AbstractContextManager[None]:
        """Compute attention by `attend` instead."""

    # explain.npz

    @abstractmethod
    def arrays(self, model: Any) -> dict[str, np.ndarray]:
        """Collect the arrays of explain.npz from a frozen model, float32. See export/checkpoint/explain.py."""
