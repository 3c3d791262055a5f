"""The figures of a report."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vitscope.evaluate.calibration_error import Reliability, reliability
from vitscope.evaluate.intervals import Share, f1, wilson
from vitscope.evaluate.predictions import Predictions

TOP = 5
_LEAST_FOR_TOP = 2 * TOP  # classes; among fewer, five guesses are most of them


@dataclass(frozen=True)
class ClassMetrics:
    """One class. images: that are of it. predicted: that were taken for it."""

    label: str
    images: int
    predicted: int
    precision: Share
    recall: Share
    f1: Share


@dataclass(frozen=True)
class Metrics:
    """How good a model is on some images.

    accuracy: share of images whose most probable class is the true one. top5: share whose true class is among the five
    most probable ones; None below 10 classes. macro_*: means over the classes that have images, each counting the
    same; a class that was never predicted has a precision of 0 there. before: with the logits as they are. after:
    divided by the temperature. confusion: how many images of each pair of true and predicted class; pairs without any
    are not there, so that its size does not grow with the square of the classes.
    """

    images: int
    labels: tuple[str, ...]
    accuracy: Share
    top5: Share | None
    classes: tuple[ClassMetrics, ...]
    macro_precision: float
    macro_recall: float
    macro_f1: float
    temperature: float
    before: Reliability
    after: Reliability
    confusion: Mapping[tuple[int, int], int]


def measure(predictions: Predictions, temperature: float = 1.0) -> Metrics:
    """Compute all figures."""
    labels, truth, said = predictions.labels, predictions.truth, predictions.predicted
    count = len(labels)
    numbers = zip(
        labels,
        *(np.bincount(which, minlength=count).tolist() for which in (truth[truth == said], truth, said)),
        strict=True,
    )
    classes = tuple(_of_class(*one) for one in numbers)
    pairs, images = np.unique(truth * count + said, return_counts=True)
    confusion = {divmod(pair, count): number for pair, number in zip(pairs.tolist(), images.tolist(), strict=True)}
    with_images = [one for one in classes if one.images]
    return Metrics(
        images=len(predictions),
        labels=labels,
        accuracy=wilson(int(predictions.correct.sum()), len(predictions)),
        top5=_top(predictions) if count >= _LEAST_FOR_TOP else None,
        classes=classes,
        macro_precision=_mean([one.precision for one in with_images]),
        macro_recall=_mean([one.recall for one in with_images]),
        macro_f1=_mean([one.f1 for one in with_images]),
        temperature=temperature,
        before=reliability(predictions.probabilities(), truth),
        after=reliability(predictions.probabilities(temperature), truth),
        confusion=confusion,
    )


def _of_class(label: str, right: int, images: int, predicted: int) -> ClassMetrics:
    return ClassMetrics(
        label=label,
        images=images,
        predicted=predicted,
        precision=wilson(right, predicted),
        recall=wilson(right, images),
        f1=f1(right, predicted - right, images - right),
    )


def _top(predictions: Predictions) -> Share:
    """Return the share of images for which fewer than five classes are more probable than the true one."""
    of_truth = np.take_along_axis(predictions.logits, predictions.truth[:, None], -1)
    ahead = predictions.logits > of_truth
    # Of equal logits the one with the lower index comes first, as in the server's answers.
    equal = predictions.logits == of_truth
    earlier = np.arange(len(predictions.labels)) < predictions.truth[:, None]
    rank = (ahead | (equal & earlier)).sum(-1)
    return wilson(int((rank < TOP).sum()), len(predictions))


def _mean(shares: list[Share]) -> float:
    return sum(share.value or 0.0 for share in shares) / len(shares)
