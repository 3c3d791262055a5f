"""The contact sheet of the worst mistakes."""

from pathlib import Path

import numpy as np

from vitscope.evaluate.pictures.canvas import INK, RED
from vitscope.evaluate.pictures.sheet import MOST, Cell, draw_sheet
from vitscope.evaluate.predictions import Predictions


def draw_mistakes(predictions: Predictions, temperature: float, path: Path) -> bool:
    """Draw the images with wrong answers that the model was surest of. Returns False, and draws nothing, without any.

    A sheet of an earlier report is then removed.
    """
    wrong = np.flatnonzero(~predictions.correct)
    if not len(wrong):
        path.unlink(missing_ok=True)
        return False
    probabilities = predictions.probabilities(temperature).max(-1)
    order = wrong[np.argsort(-probabilities[wrong], kind="stable")][:MOST]
    labels = predictions.labels
    cells = [
        Cell(
            predictions.paths[index],
            (
                (f"{probabilities[index]:.0%} {labels[predictions.predicted[index]]}", RED),
                (f"is {labels[predictions.truth[index]]}", INK),
            ),
        )
        for index in order
    ]
    shown = f"the {len(order)} that it was surest of" if len(wrong) > len(order) else "surest first"
    count = f"{len(wrong):,} mistake{'' if len(wrong) == 1 else 's'} on {len(predictions):,} images"
    draw_sheet(cells, f"{count}, {shown}: probability and predicted class, then the true one", path)
    return True
