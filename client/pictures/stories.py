"""What each method's maps mean: colours, units, the parts of the ledger, and sentences for people."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vitscope.client.evidence import Evidence
from vitscope.client.model import Model
from vitscope.client.pictures.words import where
from vitscope.client.result import AttentionMap
from vitscope.drawing import Scale, diverging, sequential

_HALF, _NOTABLE, _ROUND = 0.5, 0.1, 0.005

Parts = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Story:
    """One map in words.

    scale: for this map alone. parts, total: of the ledger. caveat: what maps of this method do not show. note: on how
    much of the whole this map is.
    """

    title: str
    scale: Scale
    sentence: str
    parts: Parts
    total: tuple[str, float]
    unit: str
    caveat: str
    note: str = ""


_WHOSE = {
    "class_token": "the class token",
    "mean_of_patches": "the mean over all patches",
    "pooling_probe": "the pooling probe",
}
_ABOUT_ATTENTION = (
    "Attention is where a token looked, whatever the class, and no measure of what decided. Tokens have exchanged what "
    "they know in the layers below."
)
_ABOUT_CAM = (
    "Shares of the last tokens in a linear head, exact. By then a token has seen the whole image: its share is not "
    "that of the pixels of its patch alone."
)


_ABOUT_EVIDENCE = "It is no proof that these pixels caused the answer: tokens have exchanged what they know below."
_ABOUT_ROLLOUT = (
    "Rollout multiplies the attention of all layers, and takes half of each token to be itself. It knows no class, and "
    "nothing of what the layers computed."
)


@dataclass(frozen=True)
class _Reading:
    """How a kind of head comes by the patches, in words. base: what it has without them. share: what a patch's is."""

    base: str
    read: str
    share: str


_READ = "read from that patch's token in the last attention, with attention as it was"
_IN_LAST = "was read in the last attention"
_READINGS = {
    "cls": _Reading("before the last block", _IN_LAST, f"what the class token {_READ}"),
    "cls+distillation": _Reading(
        "before the last block", _IN_LAST, f"what class and distillation token {_READ}, on average"
    ),
    "mean": _Reading(
        "no patch", "the mean over patches holds", "that of its last token in the mean that is classified"
    ),
    "cls+mean": _Reading(
        "no patch", "the head got from patches", f"what the class token {_READ}, and that of its last token in the mean"
    ),
    "attention": _Reading("no patch", "the pooling probe read", "what the pooling probe read from its last token"),
}


def story_of(one: AttentionMap, model: Model) -> Story:
    """Describe a map of a model."""
    return _STORIES.get(one.method, _attention)(one, model)


def shared_scale(maps: list[AttentionMap], stories: list[Story]) -> Scale:
    """Return one scale for several maps of a kind, so that they can be compared."""
    values = np.concatenate([one.values.ravel() for one in maps])
    first = stories[0].scale
    if first.colours == "signed":
        return diverging(values, first.unit)
    return sequential(values, first.unit, first.percent)


def _attention(one: AttentionMap, model: Model) -> Story:
    whose, tokens = _WHOSE.get(model.tokens.attention_from, "the model"), model.tokens
    heads = "mean of heads" if one.head is None else f"head {one.head}"
    layer = "last layer" if one.layer == model.layers - 1 else f"layer {one.layer}"
    through = ", through all layers" if one.method == "rollout" else ""
    masses = [
        ("patches", float(one.values.sum()), True),
        ("class token", one.cls, tokens.cls_tokens > 0),
        ("distillation token", one.distillation, tokens.distillation_tokens > 0),
        ("registers", one.registers, tokens.register_tokens > 0),
    ]
    parts = tuple((name, share) for name, share, there in masses if there)
    return Story(
        title="Rollout of attention" if through else f"Attention, {layer}, {heads}",
        scale=sequential(one.values, f"share of the attention of {whose}{through}", percent=True),
        sentence=f"Of what {whose} attends to in the image, most is {where(one.values)}.",
        parts=parts,
        total=("all", sum(value for _, value in parts)),
        unit="share of attention",
        caveat=_ABOUT_ROLLOUT if through else _ABOUT_ATTENTION,
    )


def _cam(one: AttentionMap, model: Model) -> Story:
    label, rest, patches = label_of(model, one.class_index), one.rest or 0.0, float(one.values.sum())
    return Story(
        title=f"Shares in the logit of {label}",
        scale=diverging(one.values, f"share in the logit of {label}"),
        sentence=f"Of what speaks for {label} (orange), most is {where(one.values)}.",
        parts=(("patches", patches), ("no patch", rest)),
        total=("logit", patches + rest),
        unit="logit",
        caveat=_ABOUT_CAM,
    )


def _evidence(one: AttentionMap, model: Model) -> Story:
    evidence = one.evidence
    assert evidence is not None
    ledger, label, other = evidence.ledger, f"“{evidence.explained.label}”", evidence.versus
    against = f" rather than “{other.label}”" if other else ""
    unit = _unit(evidence)
    reading = _READINGS.get(model.tokens.pooling, _READINGS["cls"])
    terms = [
        (reading.base, ledger.base), ("patches", ledger.patches), ("class token itself", ledger.cls_self or None),
        ("other tokens", ledger.registers or None),
    ]  # fmt: skip
    return Story(
        title=f"{label} less “{other.label}”" if other else f"Evidence for {label}",
        scale=diverging(one.values, f"share in the {unit}"),
        sentence=f"Orange speaks for {label}{against}, blue against it. Of what speaks for it, most is "
        f"{where(one.values)}.",
        parts=tuple((name, value) for name, value in terms if value is not None),
        total=(unit, ledger.target),
        unit="nats" if evidence.target == "log_probability" else "",
        caveat=f"A patch's share is {reading.share}. {_ABOUT_EVIDENCE}",
        note=" ".join(_notes(evidence, reading)),
    )


def _unit(evidence: Evidence) -> str:
    if evidence.target == "log_probability":
        return "log-odds" if evidence.versus else "log-probability"
    return "difference of logits" if evidence.versus else "logit"


def _notes(evidence: Evidence, reading: _Reading) -> Iterator[str]:
    """Say how much of the whole the map is."""
    share = _share(evidence)
    if share is not None:
        less = ": the map is the smaller part of the story" if abs(share) < _HALF else ""
        percent = f"{abs(share):.0%}" if abs(share) >= _ROUND else "less than 1%"
        what = "takes away" if share <= -_ROUND else "is"
        yield f"What {reading.read} {what} {percent} of what made the answer{less}."
    if evidence.outlier_share is not None and evidence.outlier_share >= _NOTABLE:
        yield f"{evidence.outlier_share:.0%} of the evidence is on outliers, tokens that hold more than their patch."
    if evidence.mode != "integrated":
        yield f"Shares of the mode “{evidence.mode}” do not add up to the whole."


def _share(evidence: Evidence) -> float | None:
    """Return how much of the answer is in the map and its like; None where that is not known."""
    ledger = evidence.ledger
    if ledger.last_block_share is not None or ledger.base is None:
        return ledger.last_block_share
    read = ledger.target - ledger.base  # of a contrast
    return abs(read) / max(abs(read) + abs(ledger.base), 1e-12)


def label_of(model: Model, index: int | None) -> str:
    """Return the label of a class by its index, in quotation marks."""
    known = index is not None and 0 <= index < len(model.labels)
    return f"“{model.labels[index]}”" if known and index is not None else "the class"


_STORIES: dict[str, Callable[[AttentionMap, Model], Story]] = {"cam": _cam, "evidence": _evidence}
