"""README.md: the model card, as the Hugging Face hub reads it."""

import json
from collections.abc import Mapping, Sequence

from vitscope.calibration import CALIBRATION
from vitscope.evaluate.calibration_error import BINNING
from vitscope.evaluate.card import Card
from vitscope.evaluate.history import Epoch
from vitscope.evaluate.intervals import METHOD
from vitscope.evaluate.metadata import metadata
from vitscope.evaluate.metrics import Metrics
from vitscope.evaluate.tables import (
    MOST_CLASSES,
    calibration_table,
    class_table,
    confusion_table,
    result_table,
    settings_table,
)

CARD = "README.md"


def model_card(metrics: Metrics, card: Card, history: Sequence[Epoch], pictures: Mapping[str, str]) -> str:
    """Return the text. pictures: names to paths relative to it: learning, confusion, reliability, mistakes."""
    parts = [metadata(metrics, card), f"# {_plain(card.name) or 'Report'}", _summary(metrics, card)]
    parts += ["## Results", result_table(metrics, card), _footnote(metrics)]
    parts += _picture(pictures, "confusion", "Confusion matrix")
    if confused := confusion_table(metrics):
        parts += ["Confused most often:", confused]
    parts += _picture(pictures, "mistakes", "The mistakes that the model was surest of")
    parts += ["## Calibration", _calibration(metrics), calibration_table(metrics)]
    parts += _picture(pictures, "reliability", "Reliability diagram")
    if card.settings or card.command or history:
        parts.append("## Training" if card.library else "## How it was measured")
        parts += [f"    {card.command}"] if card.command else []
        parts += [settings_table(card.settings)] if card.settings else []
        parts += _picture(pictures, "learning", "Learning curves")
    if len(metrics.labels) > MOST_CLASSES:
        parts += ["## The classes with the lowest F1", "All are in `metrics.json`."]
    else:
        parts.append("## Classes")
    parts += [class_table(metrics), f"Intervals: {METHOD}."]
    parts += ["## Limits", "\n".join(f"- {limit}" for limit in (*card.limits, *_limits(metrics)))]
    if card.notes:
        parts += ["## Notes on the data", "\n".join(f"- {_plain(note)}" for note in card.notes)]
    if card.unreadable:
        listed = "\n".join(f"- `{one.path}`: {_plain(one.reason)}" for one in card.unreadable)
        parts += ["## Images left out", f"{len(card.unreadable):,} could not be read, and are in no figure:", listed]
    return "\n\n".join(parts) + "\n"


def _summary(metrics: Metrics, card: Card) -> str:
    on = f" of {_plain(card.data)}" if card.data else ""
    base = f" It was fine-tuned from `{card.base}`." if card.base else ""
    counts = ", ".join(f"{count:,} {_plain(split)}" for split, count in card.counts.items())
    return (
        f"A model that tells {len(metrics.labels):,} classes of images apart: right on "
        f"**{metrics.accuracy.value:.1%}** of {metrics.images:,} images ({_plain(card.split)}{on}).{base}"
        + (f" Images: {counts}." if counts else "")
    )


def _footnote(metrics: Metrics) -> str:
    missing = [one.label for one in metrics.classes if not one.images]
    text = "In brackets: 95 % confidence intervals. Macro averages count every class the same"
    if not missing:
        return f"{text}."
    shown = ", ".join(json.dumps(_plain(label), ensure_ascii=False) for label in missing[:5])
    more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
    return f"{text}, but for those without images here: {shown}{more}."


def _calibration(metrics: Metrics) -> str:
    if metrics.temperature == 1:
        return "Probabilities are those of the logits as they are (temperature 1)."
    return (
        f"Probabilities are softmax(logits / {metrics.temperature:.4g}). The temperature was fitted on validation "
        f"images (`{CALIBRATION}`); the logits, and which class is the most probable, stay the same."
    )


def _limits(metrics: Metrics) -> list[str]:
    found = [
        f"It knows these {len(metrics.labels):,} classes and nothing else: any other image gets one of them too.",
        "The figures hold for images like those that were measured, and not for others.",
        f"The expected calibration error has {BINNING}. It is never 0 on few images, even for a perfect model.",
    ]
    few = [one.label for one in metrics.classes if one.images < 30]
    if few:
        of = "every class" if len(few) == len(metrics.labels) else f"{len(few):,} of the classes"
        found.append(f"Fewer than 30 images were measured of {of}: look at the intervals.")
    return found


def _picture(pictures: Mapping[str, str], name: str, title: str) -> list[str]:
    return [f"![{title}]({pictures[name]})"] if name in pictures else []


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in " ".join(text.split()))
