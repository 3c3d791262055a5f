"""What the evidence of each engine is compared with: the checkpoint's own, by automatic differentiation.

It is taken of a few images, for the most probable class and the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vitscope.bundle import EvidenceSanity, Scale
from vitscope.export.errors import ExportError
from vitscope.export.methods import Forward
from vitscope.export.methods.evidence import NODES, read, rule_of, values_again
from vitscope.export.tail import Head, shares_of
from vitscope.export.tail.autograd import differentiate
from vitscope.export.tail.layers import Linear

IMAGES = 16  # of the certificate's, evenly spread
EXACT = 64  # nodes of the reference
CLASSES = 2
# Of the norm of an image's map, and of the spread of the logits, at most; the first is also that of derivatives.
SHARE_BAR, COMPLETE_BAR = 1e-4, 1e-3
ENOUGH = 0.5  # of these bars is what a rule may take, so that float32 has room in every engine
FLAT = 0.01  # of the spread of the logits: below it, a map is next to nothing, and only its size is compared
OTHER_CLASS, OTHER_HEAD = 0.99, 0.9  # rank correlations that are not reached by maps that depend on class and head


@dataclass(frozen=True)
class Batch:
    """The shares of a batch of images, in PyTorch: [N, K, P] each. rules: integrated, by number of nodes.

    missing: [N, K] by number of nodes, what the integrated shares lack of what the target gains. other_head: with
    random weights in the head. classes: int64 [N, K].
    """

    classes: np.ndarray
    integrated: np.ndarray
    gradient: np.ndarray
    rules: dict[int, np.ndarray]
    missing: dict[int, np.ndarray]
    other_head: np.ndarray


@dataclass(frozen=True)
class EvidenceReference:
    """The checkpoint's own evidence. images: numbers [M] of the certificate's images; the others as in `Batch`."""

    images: np.ndarray
    classes: np.ndarray
    integrated: np.ndarray
    gradient: np.ndarray
    nodes: int
    why_not: str
    sanity: EvidenceSanity


@torch.no_grad()
def run_evidence(forward: Forward) -> Batch:
    """Compute the evidence of a batch. Nothing of it may be an inference tensor."""
    tokens, gauge = forward.geometry, forward.subject.gauge
    head, reads = read(forward, values_again(forward))
    total, prefix = tokens.prefix + tokens.patches, tokens.prefix
    classes = forward.logits.topk(min(CLASSES, forward.logits.shape[-1]), dim=-1).indices
    exact = differentiate(reads, head, gauge, classes, total, rule_of(tokens, EXACT))
    if not torch.allclose(exact.logits, forward.logits, atol=1e-4, rtol=1e-4):
        worst = float((exact.logits - forward.logits).abs().max())
        raise ExportError(f"evidence: the logits of the head as vitscope takes it apart differ by {worst:.1e} from the "
                          "checkpoint's own; accepted: --no-evidence")  # fmt: skip
    rules, missing = {}, {}
    for nodes in NODES:
        found = shares_of(reads, head, gauge, forward.logits, classes, total, rule_of(tokens, nodes))
        rules[nodes] = found.integrated[..., prefix:].numpy()
        missing[nodes] = (found.base + found.integrated.sum(dim=-1) - found.target).numpy()
    other = Head(tuple(_random(linear) for linear in head.linears), head.shared)
    random = shares_of(reads, other, gauge, forward.logits, classes, total, rule_of(tokens, NODES[0]))
    return Batch(
        classes.numpy(),
        exact.integrated[..., prefix:].numpy(),
        exact.gradient[..., prefix:].numpy(),
        rules,
        missing,
        random.integrated[..., prefix:].numpy(),
    )


def evidence_reference(images: np.ndarray, batches: Sequence[Batch], scale: Scale) -> EvidenceReference:
    """Join the batches, and find the fewest nodes that are enough, or say why none is."""
    integrated = np.concatenate([batch.integrated for batch in batches])
    nodes, why_not = NODES[-1], ""
    for nodes in NODES:
        rule = np.concatenate([batch.rules[nodes] for batch in batches])
        apart = relative_error(rule, integrated, scale) / SHARE_BAR
        lacking = lacking_share(np.concatenate([batch.missing[nodes] for batch in batches]), scale) / COMPLETE_BAR
        if max(apart, lacking) <= ENOUGH:
            break
    else:
        if max(apart, lacking) > 1:
            why_not = (
                f"its integrated shares of patches are known to {apart * SHARE_BAR:.1e} with {nodes} nodes, at most "
                f"{SHARE_BAR:.0e} is accepted, so they would not add up"
            )
    return EvidenceReference(
        images,
        np.concatenate([batch.classes for batch in batches]),
        integrated,
        np.concatenate([batch.gradient for batch in batches]),
        nodes,
        why_not,
        _sanity(integrated, np.concatenate([batch.other_head for batch in batches]), scale),
    )


def relative_error(found: np.ndarray, expected: np.ndarray, scale: Scale) -> float:
    """Return the largest distance of a map [.., P] from what is expected, as a share of its norm.

    Flat maps are measured by what counts as flat.
    """
    norms = np.linalg.norm(expected.astype(np.float64), axis=-1)
    apart = np.linalg.norm(found.astype(np.float64) - expected, axis=-1)
    return float((apart / np.maximum(norms, _flat(scale))).max())


def lacking_share(missing: np.ndarray, scale: Scale) -> float:
    """Return the largest absolute value, as a share of the spread of the logits."""
    return float(np.abs(missing).max()) / max(float(scale.spread.max()), 1e-3 * float(scale.magnitude.max()), 1e-9)


def rank_correlations(found: np.ndarray, expected: np.ndarray, scale: Scale) -> np.ndarray:
    """Return Spearman's correlation of each pair of maps [..., P] in which neither is flat."""
    found, expected = found.reshape(-1, found.shape[-1]), expected.reshape(-1, expected.shape[-1])
    chosen = steep(expected, scale) & steep(found, scale)
    first, second = (_ranks(maps[chosen]) for maps in (found, expected))
    sizes = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    correlations: np.ndarray = (first * second).sum(axis=-1) / np.maximum(sizes, 1e-30)
    return correlations


def steep(maps: np.ndarray, scale: Scale) -> np.ndarray:
    """Return which maps [..., P] are not flat."""
    steep: np.ndarray = (np.linalg.norm(maps, axis=-1) > _flat(scale)) & (maps.std(axis=-1) > 0)
    return steep


def _sanity(integrated: np.ndarray, other_head: np.ndarray, scale: Scale) -> EvidenceSanity:
    classes = rank_correlations(integrated[:, 0], integrated[:, -1], scale) if integrated.shape[1] > 1 else np.empty(0)
    heads = rank_correlations(other_head, integrated, scale)
    of_class, of_head = (float(found.mean()) if len(found) else None for found in (classes, heads))
    shortfalls = []
    if of_class is not None and of_class > OTHER_CLASS:
        shortfalls.append(f"evidence for another class has rank correlation {of_class:.3f}, at most {OTHER_CLASS}")
    if of_head is not None and of_head > OTHER_HEAD:
        shortfalls.append(f"evidence of a random head has rank correlation {of_head:.3f}, at most {OTHER_HEAD}")
    return EvidenceSanity(other_class=of_class, random_head=of_head, shortfalls=tuple(shortfalls))


def _flat(scale: Scale) -> float:
    return FLAT * max(float(scale.spread.max()), 1e-9)


def _ranks(maps: np.ndarray) -> np.ndarray:
    ranks = maps.argsort(axis=-1).argsort(axis=-1).astype(np.float64)
    centred: np.ndarray = ranks - ranks.mean(axis=-1, keepdims=True)
    return centred


def _random(linear: Linear) -> Linear:
    generator = torch.Generator().manual_seed(0)
    size = linear.weight.std()
    return Linear(torch.randn(linear.weight.shape, generator=generator) * size, linear.bias)
