"""The tables of a model card."""

from collections.abc import Mapping

from vitscope.evaluate.calibration_error import Reliability
from vitscope.evaluate.card import Card
from vitscope.evaluate.metrics import TOP, Metrics
from vitscope.tables import markdown_table

_CONFUSIONS = 10
MOST_CLASSES, _WORST = 100, 50


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
    """Return a row for each class; of very many, for those with the lowest F1."""
    shown = metrics.classes
    if len(shown) > MOST_CLASSES:
        measured = [one for one in shown if one.f1.value is not None]
        shown = tuple(sorted(measured, key=lambda one: one.f1.value or 0.0)[:_WORST])
    rows = [(cell(one.label), f"{one.images:,}", str(one.precision), str(one.recall), str(one.f1)) for one in shown]
    return markdown_table(("class", "images", "precision", "recall", "F1"), rows)


def confusion_table(metrics: Metrics) -> str:
    """Return the pairs of classes that are taken for one another most often; empty without a mistake."""
    wrong = {pair: images for pair, images in metrics.confusion.items() if pair[0] != pair[1]}
    most = sorted(wrong, key=lambda pair: (-wrong[pair], pair))[:_CONFUSIONS]
    rows = [
        (
            cell(metrics.labels[truth]),
            cell(metrics.labels[said]),
            f"{wrong[truth, said]:,} of {metrics.classes[truth].images:,}",
        )
        for truth, said in most
    ]
    return markdown_table(("this class", "was taken for", "images"), rows) if rows else ""


def settings_table(settings: Mapping[str, object]) -> str:
    """Return a row for each setting."""
    return markdown_table(("setting", "value"), [(cell(name), cell(str(value))) for name, value in settings.items()])


def cell(text: str) -> str:
    """Return text that Markdown shows as it is in a cell."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|" else c for c in " ".join(text.split()))
