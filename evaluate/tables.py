"""The tables of a model card."""

from collections.abc import Mapping

import numpy as np

from vitscope.evaluate.calibration_error import Reliability
from vitscope.evaluate.card import Card
from vitscope.evaluate.metrics import TOP, Metrics
from vitscope.tables import markdown_table

_CONFUSIONS = 10


def result_table(metrics: Metrics, card: Card) -> str:
    """Return the figures over all classes."""
    rows = [("accuracy", str(metrics.accuracy))]
    rows += [(f"top-{TOP} accuracy", str(metrics.top5))] if metrics.top5 else []
    rows += [
        ("macro precision", f"{metrics.macro_precision:.1%}"),
        ("macro recall", f"{metrics.macro_recall:.1%}"),
        ("macro F1", f"{metrics.macro_f1:.1%}"),
    ]
    return markdown_table(("", f"{metrics.images:,} images, {card.split}"), rows)


def calibration_table(metrics: Metrics) -> str:
    """Return what the probabilities are worth, before and after the temperature."""
    if metrics.temperature == 1:
        return markdown_table(("", "temperature 1"), [(name, one) for name, one in _figures(metrics.before)])
    rows = [
        (name, before, after)
        for (name, before), (_, after) in zip(_figures(metrics.before), _figures(metrics.after), strict=True)
    ]
    return markdown_table(("", "logits as they are", f"temperature {metrics.temperature:.4g}"), rows)


def _figures(found: Reliability) -> list[tuple[str, str]]:
    return [
        ("mean confidence", f"{found.confidence:.1%}"),
        ("expected calibration error", f"{found.ece:.2%}"),
        ("negative log-likelihood", f"{found.nll:.4f}"),
        ("Brier score (0 to 2)", f"{found.brier:.4f}"),
    ]


def class_table(metrics: Metrics) -> str:
    """Return a row for each class."""
    rows = [
        (cell(one.label), f"{one.images:,}", str(one.precision), str(one.recall), str(one.f1))
        for one in metrics.classes
    ]
    return markdown_table(("class", "images", "precision", "recall", "F1"), rows)


def confusion_table(metrics: Metrics) -> str:
    """Return the pairs of classes that are taken for one another most often; empty without a mistake."""
    wrong = metrics.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(place), len(metrics.labels)) for place in order]
    rows = [
        (
            cell(metrics.labels[truth]),
            cell(metrics.labels[said]),
            f"{wrong[truth, said]:,} of {metrics.classes[truth].images:,}",
        )
        for truth, said in pairs
        if wrong[truth, said]
    ]
    return markdown_table(("this class", "was taken for", "images"), rows) if rows else ""


def settings_table(settings: Mapping[str, object]) -> str:
    """Return a row for each setting."""
    return markdown_table(("setting", "value"), [(cell(name), cell(str(value))) for name, value in settings.items()])


def cell(text: str) -> str:
    """Return text that Markdown shows as it is in a cell."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|" else c for c in " ".join(text.split()))
