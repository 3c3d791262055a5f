"""What each method's maps mean: colours, units, the parts of the ledger, and sentences for people."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitscope.client.model import Model
from vitscope.client.pictures.words import where
from vitscope.client.result import AttentionMap
from vitscope.drawing import Scale, diverging, sequential

Parts = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Story:
    """One map in words. scale: for this map alone. parts, total: of the ledger; empty without one. caveat: what the
    map does not show."""

    title: str
    scale: Scale
    sentence: str
    parts: Parts
    total: tuple[str, float]
    unit: str
    caveat: str


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
    heads = "mean of all heads" if one.head is None else f"head {one.head}"
    last = " (the last)" if one.layer == model.layers - 1 else ""
    named = one.method.replace("_", " ").capitalize()
    masses = [
        ("patches", float(one.values.sum()), True),
        ("class token", one.cls, tokens.cls_tokens > 0),
        ("distillation token", one.distillation, tokens.distillation_tokens > 0),
        ("registers", one.registers, tokens.register_tokens > 0),
    ]
    parts = tuple((name, share) for name, share, there in masses if there)
    return Story(
        title=f"Attention in layer {one.layer}{last}, {heads}" if one.method == "attention" else named,
        scale=sequential(one.values, f"share of the attention of {whose}", percent=True),
        sentence=f"Of what {whose} attends to in the image, most is {where(one.values)}.",
        parts=parts,
        total=("all", sum(value for _, value in parts)),
        unit="share of attention",
        caveat=_ABOUT_ATTENTION,
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


def label_of(model: Model, index: int | None) -> str:
    """Return the label of a class by its index, in quotation marks."""
    known = index is not None and 0 <= index < len(model.labels)
    return f"“{model.labels[index]}”" if known and index is not None else "the class"


_STORIES: dict[str, Callable[[AttentionMap, Model], Story]] = {"cam": _cam}
