"""The pictures of a report. They need matplotlib, which nothing else here does."""

from collections.abc import Sequence
from pathlib import Path

from vitscope.evaluate.history import Epoch
from vitscope.evaluate.metrics import Metrics
from vitscope.evaluate.pictures.confusion import draw_confusion
from vitscope.evaluate.pictures.learning import draw_learning
from vitscope.evaluate.pictures.mistakes import draw_mistakes
from vitscope.evaluate.pictures.reliability import draw_reliability
from vitscope.evaluate.predictions import Predictions


def draw(predictions: Predictions, metrics: Metrics, folder: Path, history: Sequence[Epoch] = ()) -> dict[str, str]:
    """Draw all pictures into `folder`. Returns their names and files; without mistakes there is no sheet of them."""
    drawn = {"confusion": "confusion.png", "reliability": "reliability.png"}
    draw_confusion(metrics, folder / "confusion.png")
    draw_reliability(predictions, metrics.temperature, folder / "reliability.png")
    if draw_mistakes(predictions, metrics.temperature, folder / "mistakes.png"):
        drawn["mistakes"] = "mistakes.png"
    if history:
        draw_learning(history, folder / "learning.png")
        drawn["learning"] = "learning.png"
    return drawn
