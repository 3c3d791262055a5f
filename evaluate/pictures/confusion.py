"""The confusion matrix."""

from pathlib import Path

import numpy as np

from vitscope.evaluate.metrics import Metrics
from vitscope.evaluate.pictures.canvas import INK, WIDTH, middle_cut, picture

MOST = 30  # classes that fit; of more, those with the most mistakes
_NUMBERED = 20  # up to so many, the cells show their images
_LABEL = 24  # characters


def draw_confusion(metrics: Metrics, path: Path) -> None:
    """Draw true classes as rows and predicted ones as columns, coloured by the share of the row."""
    labels, matrix = shown(metrics)
    count = len(labels)
    shares = matrix / np.maximum(matrix.sum(-1, keepdims=True), 1)
    side = max(min(count * 44 + 260, WIDTH), 420)
    with picture(path, side, min(side + 60, WIDTH), trim=True) as figure:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        names = [middle_cut(label, _LABEL) for label in labels]
        size = 9 if count <= _NUMBERED else 7
        axes.set_xticks(
            range(count), names, rotation=90 if count > 4 or max(map(len, names)) > 14 else 0, fontsize=size
        )
        axes.set_yticks(range(count), names, fontsize=size)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.spines[:].set_visible(False)
        axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="#e2e8f0", linewidth=0.6)
        axes.tick_params(which="minor", length=0)
        if count <= _NUMBERED:
            for row, column in zip(*np.nonzero(matrix), strict=True):
                colour = "white" if shares[row, column] > 0.55 else INK
                text = f"{matrix[row, column]:,}"
                axes.text(column, row, text, ha="center", va="center", fontsize=8 if len(text) < 5 else 6, color=colour)
        if count > MOST:
            axes.set_title(f"the {MOST} classes with the most mistakes, of {len(metrics.labels):,}", loc="left")
        bar = figure.colorbar(image, ax=axes, shrink=0.5, format=lambda share, _: f"{share:.0%}")
        bar.set_label("share of the true class")
        bar.outline.set_visible(False)


def shown(metrics: Metrics) -> tuple[list[str], np.ndarray]:
    """Return the labels and the int64 matrix to draw: of too many, the worst and the sums of all others."""
    labels = list(metrics.labels)
    place = {index: index for index in range(len(labels))}
    if len(labels) > MOST:
        right = {truth: images for (truth, said), images in metrics.confusion.items() if truth == said}
        mistakes = [one.images + one.predicted - 2 * right.get(at, 0) for at, one in enumerate(metrics.classes)]
        worst = sorted(sorted(place, key=lambda index: -mistakes[index])[:MOST])
        place = {index: at for at, index in enumerate(worst)}
        labels = [*(labels[index] for index in worst), "all others"]
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    for (truth, said), images in metrics.confusion.items():
        matrix[place.get(truth, MOST), place.get(said, MOST)] += images
    return labels, matrix
