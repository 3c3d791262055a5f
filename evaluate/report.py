"""A report: metrics.json, predictions.csv, README.md with the pictures that it shows."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from vitscope.evaluate.card import Card
from vitscope.evaluate.figures import METRICS, write_metrics
from vitscope.evaluate.history import Epoch
from vitscope.evaluate.metrics import Metrics, measure
from vitscope.evaluate.model_card import CARD, model_card
from vitscope.evaluate.predictions import Predictions
from vitscope.evaluate.records import PREDICTIONS, records_of, write_records

PICTURES = "pictures"


def write_report(
    predictions: Predictions,
    folder: Path,
    temperature: float = 1.0,
    *,
    card: Card | None = None,
    history: Sequence[Epoch] = (),
    root: Path | None = None,
) -> Metrics:
    """Measure, and write the report into `folder`, which may be that of the checkpoint.

    temperature: of the model, which probabilities and pictures use. card: what the model card says beside the figures.
    history: the epochs of training, for the learning curves. root: the data folder, which predictions.csv names images
    relative to. Files of an earlier report are replaced, others left alone. Without matplotlib there are no pictures.
    """
    card = card or Card(name=folder.resolve().name)
    folder.mkdir(parents=True, exist_ok=True)
    metrics = measure(predictions, temperature)
    write_metrics(metrics, card, folder / METRICS)
    write_records(records_of(predictions, temperature, root), folder / PREDICTIONS)
    pictures: dict[str, str] = {}
    if find_spec("matplotlib") is not None:
        # Not at the top: half a second, and serving does not have it.
        from vitscope.evaluate.pictures import draw

        (folder / PICTURES).mkdir(exist_ok=True)
        drawn = draw(predictions, metrics, folder / PICTURES, history)
        pictures = {name: f"{PICTURES}/{file}" for name, file in drawn.items()}
    (folder / CARD).write_text(model_card(metrics, card, history, pictures), encoding="utf-8")
    return metrics
