"""Evidence: the share of each patch in a class, of what the head reads in the last attention.

Class-specific, signed, forward-only. evidence: integrated shares, which add up (Aumann-Shapley, attention fixed).
evidence_gradient: by the derivative at the whole. evidence_direct: what reaches the head without an MLP. The value
bias, which would add a share to each token that depends on nothing but its attention, belongs to the base.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vitscope.bundle import EVIDENCE, GraphName, Input, Output, Pooling, TokenGeometry
from vitscope.export.methods.forward import Forward, Place, Scores, Subject
from vitscope.export.methods.method import Bar, Dimensions, Method
from vitscope.export.tail import Chain, Head, Read, Reading, Rule, Shares, chosen, shares_of
from vitscope.export.tail.layers import Linear

TARGET = Input(name="target_class", shape=("N", "K"), dtype="int64")
NORMS = "evidence_norms"
LEDGER = ("target", "base", "cls_self", "registers", "last_block_share")


@dataclass(frozen=True)
class Attended:
    """What is read in one attention: for each token that is read a row [N, H, T], and the values [N, H, T, d]."""

    rows: tuple[torch.Tensor, ...]
    values: torch.Tensor


NODES = (4, 8, 16, 32)
"""How many nodes the integrated shares may take. An export with a certificate takes the fewest that are enough."""


@dataclass(frozen=True)
class Evidence(Method):
    """The graph `evidence`: see `Graph` in the manifest for its outputs. nodes: of the integrated shares."""

    nodes: int = 8

    name = "evidence"
    bar = Bar(cosine=0.95, floor=0.8)
    of_best_class = True

    def why_not(self, subject: Subject) -> str:
        if subject.geometry.pooling == "mean":
            return ""  # linear on patches, as for class-activation maps
        found = subject.family.reading(subject.model)
        return found if isinstance(found, str) else ""

    def inputs(self) -> Mapping[GraphName, tuple[Input, ...]]:
        return {EVIDENCE: (TARGET,)}

    def outputs(self, dimensions: Dimensions) -> Mapping[GraphName, tuple[Output, ...]]:
        shares = tuple(
            Output(name=name, shape=("N", "K", dimensions.tokens.patches))
            for name in ("evidence", "evidence_gradient", "evidence_direct")
        )
        ledger = Output(name="evidence_ledger", shape=("N", "K", len(LEDGER)))
        found = (*shares, ledger, Output(name="evidence_class", shape=("N", "K"), dtype="int64"))
        if dimensions.tokens.pooling == "mean":
            return {EVIDENCE: found}
        return {EVIDENCE: (*found, Output(name=NORMS, shape=("N", dimensions.tokens.patches)))}

    def observed(self, subject: Subject) -> list[torch.nn.Module]:
        return [] if subject.geometry.pooling == "mean" else _reading(subject).modules

    def trace(self, forward: Forward) -> Mapping[GraphName, tuple[torch.Tensor, ...]]:
        tokens, classes = forward.geometry, chosen(forward.logits, forward.inputs[TARGET.name])
        head, reads = read(forward, [layer[self.name] for layer in forward.attention])
        total = tokens.prefix + tokens.patches
        shares = shares_of(
            reads, head, forward.subject.gauge, forward.logits, classes, total, rule_of(tokens, self.nodes)
        )
        maps = (part[..., tokens.prefix :] for part in (shares.integrated, shares.gradient, shares.direct))
        found = (*maps, _ledger(shares, tokens), classes)
        return {EVIDENCE: found if tokens.pooling == "mean" else (*found, _norms(forward))}

    def reference(self, forward: Forward) -> torch.Tensor:
        """Compute the integrated shares in the most probable class, [N, 1, P].

        The certificate compares more than these, on fewer images: export/certificate/evidence.py.
        """
        tokens, classes = forward.geometry, forward.logits.argmax(dim=-1, keepdim=True)
        head, reads = read(forward, values_again(forward))
        total, rule = tokens.prefix + tokens.patches, rule_of(tokens, NODES[-1])
        found = shares_of(reads, head, forward.subject.gauge, forward.logits, classes, total, rule)
        return found.integrated[..., tokens.prefix :]

    def rows(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        return outputs.get(self.name)

    def keep(self, matrix: torch.Tensor, place: Place) -> tuple[torch.Tensor, ...] | None:
        """Copy the rows of the tokens that are read here."""
        return tuple(matrix[:, :, token].clone() for token in read_tokens(place)) or None

    def side_branch(self, scores: Scores, place: Place) -> Attended | None:
        """Compute the rows of the tokens that are read here. The values are those of the kernel."""
        rows = tuple(scores.row(token) for token in read_tokens(place))
        return Attended(rows, scores.value) if rows else None

    def softmaxes(self, graph: GraphName, dimensions: Dimensions) -> int:
        return len(READ[dimensions.tokens.pooling]) if graph == EVIDENCE else 0


def rule_of(tokens: TokenGeometry, nodes: int) -> Rule:
    """Return the rule for a model. Where the path begins with biases alone, it is crowded there."""
    return Rule(nodes, grade=3 if tokens.pooling == "attention" else 1)


READ: Mapping[Pooling, tuple[int, ...]] = {
    "cls": (0,), "cls+distillation": (0, 1), "cls+mean": (0,), "attention": (0,), "mean": (),
}  # fmt: skip
"""The tokens that a head reads in the last attention, as rows of it."""


def read_tokens(place: Place) -> tuple[int, ...]:
    """Return the rows of this attention that the head reads."""
    pooling = place.geometry.pooling
    last = place.layers if pooling == "attention" else place.layers - 1
    return READ[pooling] if place.layer == last else ()


def read(forward: Forward, attended: Sequence[Attended | None]) -> tuple[Head, list[Read]]:
    """Return the head, and what it reads in a forward pass. attended: of each attention."""
    if forward.geometry.pooling == "mean":
        linear = forward.family.linear(forward.model, forward.tokens)
        assert linear is not None, "a family that pools by the mean takes its head apart"
        return Head((Linear(linear.weight, linear.rest),)), [_mean(linear.parts)]
    reading = _reading(forward.subject)
    reads = []
    for reader in reading.readers:
        of_layer = attended[reader.layer]
        assert of_layer is not None
        rows, values = of_layer.rows[reader.token], of_layer.values
        width = values.shape[-1]
        base = values.new_zeros(values.shape[1] * width)
        if reader.values.bias is not None:
            base = reader.values.bias
            values = values - base.view(-1, 1, width)
        added = (rows.unsqueeze(-1) * values).transpose(1, 2).flatten(2)
        carried = forward.seen[reader.source].given[:, reader.token, None] if reader.source is not None else None
        reads.append(Read(added, base, Chain(reader.output), Chain(reader.tail(carried)), reader.rest))
    if reading.averaged:
        reads.append(_mean(reading.averaged(forward.tokens)))
    return reading.head, reads


def values_again(forward: Forward) -> list[Attended | None]:
    """Return what is read where only the rows of attention were kept: the values are computed from their inputs."""
    kept = [layer[Evidence.name] for layer in forward.attention]
    if not any(kept):
        return []
    reader = _reading(forward.subject).readers[0]
    values, _ = reader.values.run(forward.seen[reader.attended].given)
    heads = next(rows for rows in kept if rows)[0].shape[1]
    values = values.view(*values.shape[:2], heads, -1).transpose(1, 2)
    return [None if rows is None else Attended(rows, values) for rows in kept]


def _norms(forward: Forward) -> torch.Tensor:
    """Return the norms of the patches' tokens [N, P] where they are read: before the last block, or by the pooling."""
    reader = _reading(forward.subject).readers[0]
    patches = forward.seen[reader.source or reader.attended].given[:, forward.geometry.prefix :]
    return patches.square().sum(dim=-1).sqrt()


def _mean(patches: torch.Tensor) -> Read:
    """Return the mean of patches [N, P, D] as what is read of each."""
    nothing = patches.new_zeros(patches.shape[-1])
    return Read(patches / patches.shape[1], nothing, Chain(()), Chain(()), nothing)


def _ledger(shares: Shares, tokens: TokenGeometry) -> torch.Tensor:
    """Return [N, K, 5]: target, base, cls_self, registers, last_block_share."""
    of_class = shares.integrated[..., : tokens.cls_tokens].sum(dim=-1)
    of_others = shares.integrated[..., tokens.cls_tokens : tokens.prefix].sum(dim=-1)
    gained, whole = shares.target - shares.base, shares.target - shares.prior
    share = gained * whole / whole.square().clamp(min=1e-6)  # never infinite, where there is nothing to share
    return torch.stack([shares.target, shares.base, of_class, of_others, share], dim=-1)


def _reading(subject: Subject) -> Reading:
    found = subject.family.reading(subject.model)
    assert not isinstance(found, str), found
    return found
