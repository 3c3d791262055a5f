"""predictions.csv: what was answered for each image, so that two reports can be compared image by image."""

import csv
from dataclasses import dataclass
from pathlib import Path

from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.predictions import Predictions

PREDICTIONS = "predictions.csv"
_FIELDS = ("image", "label", "predicted", "probability")


@dataclass(frozen=True)
class Record:
    """One image: path below the data folder, true label, predicted one and its probability, 0..1."""

    image: str
    label: str
    predicted: str
    probability: float

    @property
    def correct(self) -> bool:
        return self.label == self.predicted


def records_of(predictions: Predictions, temperature: float, root: Path | None) -> tuple[Record, ...]:
    """Return a record of each image, sorted by path. root: the data folder, which paths are written relative to."""
    probabilities = predictions.probabilities(temperature).max(-1)
    found = (
        Record(
            relative(path, root),
            predictions.labels[truth],
            predictions.labels[predicted],
            float(probability),
        )
        for path, truth, predicted, probability in zip(
            predictions.paths, predictions.truth, predictions.predicted, probabilities, strict=True
        )
    )
    return tuple(sorted(found, key=lambda record: record.image))


def relative(path: Path, root: Path | None) -> str:
    """Return a path below `root`; without one, or outside it, the image's folder and name."""
    if root is not None and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return "/".join(path.parts[-2:])


def write_records(records: tuple[Record, ...], path: Path) -> None:
    """Write one line an image."""
    # Names of files may hold bytes that are no UTF-8: they are written as they are.
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_FIELDS)
        writer.writerows(
            (record.image, record.label, record.predicted, f"{record.probability:.6f}") for record in records
        )


def read_records(report: Path) -> tuple[Record, ...]:
    """Read the predictions of a report. Raises EvaluateError if the folder has none."""
    path = report / PREDICTIONS
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = csv.DictReader(file)
            found = tuple(
                Record(row["image"], row["label"], row["predicted"], float(row["probability"])) for row in rows
            )
    except OSError as error:
        raise EvaluateError(f"{path}: {error.strerror}; accepted: a folder that `vitscope evaluate` wrote") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise EvaluateError(f"{path}: not as `vitscope evaluate` writes it ({error})") from error
    if not found:
        raise EvaluateError(f"{path}: no image")
    return found
