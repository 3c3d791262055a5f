"""Class-activation map: the share of each patch in the logit of the most probable class (arXiv:1512.04150).

Exact, for heads that are linear on the mean over patches: the shares and the rest add up to that logit.
"""

from collections.abc import Mapping

import numpy as np
import torch

from vitscope.bundle import CLASSIFY, GraphName, Output
from vitscope.export.methods.forward import Forward, Subject
from vitscope.export.methods.method import Bar, Dimensions, Method

SHARES, REST = "cam", "cam_rest"


class Cam(Method):
    """Outputs `cam` [N, P], the shares, and `cam_rest` [N, 1], what of the logit belongs to no patch."""

    name = "cam"
    # Shares of one image, of both signs. Reduced precisions lose digits where the head cancels large numbers.
    bar = Bar(cosine=0.999, floor=0.95)
    of_best_class = True

    def why_not(self, subject: Subject) -> str:
        read = subject.geometry.pooling
        return "" if read == "mean" else f"its head reads {read}, so its logits are no sums over patches"

    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        shares = Output(name=SHARES, shape=("N", dimensions.tokens.patches))
        return {CLASSIFY: (shares, Output(name=REST, shape=("N", 1)))}

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        return {CLASSIFY: shares(forward)}

    def reference(self, forward: Forward) -> torch.Tensor:
        return shares(forward)[0][:, None]

    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        return outputs.get(SHARES)


def shares(forward: Forward) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the share of each patch in the logit of the most probable class, [N, P], and the rest of it, [N, 1]."""
    head = forward.family.linear(forward.model, forward.tokens)
    assert head is not None, "a family that pools by the mean takes its head apart"
    best = forward.logits.argmax(dim=-1)
    weight = torch.index_select(head.weight, 0, best)
    patches = head.parts.shape[1]
    values = (head.parts @ (weight / patches).unsqueeze(-1)).squeeze(-1)
    rest = head.rest.expand_as(forward.logits) if head.rest.ndim == 1 else head.rest
    return values, torch.gather(rest, 1, best.unsqueeze(-1))
