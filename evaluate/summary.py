"""One line for each report, so that training, export and serving can be compared in one table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.figures import METRICS
from vitscope.evaluate.intervals import Share

_HEAD = ("model", "measured", "engine", "images", "accuracy", "macro F1", "NLL", "calibration error", "images/s")


@dataclass(frozen=True)
class Summary:
    """The main figures of a report, as metrics.json has them. nll and ece: with the temperature.

    measured: "checkpoint", "bundle" or "server"; "training" for the report of a training run.
    """

    name: str
    measured: str
    engine: str
    images: int
    accuracy: Share
    macro_f1: float
    nll: float
    ece: float
    rate: str

    @property
    def title(self) -> str:
        """The name, with what was measured of it."""
        return f"{self.name} ({self.measured})"


def read_summary(report: Path) -> Summary:
    """Read metrics.json of a report. Raises EvaluateError if the folder has none."""
    path = report / METRICS
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        settings = found["settings"]
        return Summary(
            name=found["model"] or report.resolve().name,
            measured=settings.get("measured", "training"),
            engine=settings.get("engine", "–"),
            images=found["images"],
            accuracy=Share(**found["accuracy"]),
            macro_f1=found["macro"]["f1"],
            nll=found["calibration"]["after"]["nll"],
            ece=found["calibration"]["after"]["ece"],
            rate=settings.get("images/s", "–"),
        )
    except OSError as error:
        raise EvaluateError(f"{path}: {error.strerror}; accepted: a folder that `vitscope evaluate` wrote") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvaluateError(f"{path}: not as `vitscope evaluate` writes it ({error})") from error


def summary_table(summaries: Sequence[Summary]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return headings and rows."""
    rows: list[tuple[str, ...]] = [
        (
            one.name,
            one.measured,
            one.engine,
            f"{one.images:,}",
            str(one.accuracy),
            f"{one.macro_f1:.1%}",
            f"{one.nll:.4f}",
            f"{one.ece:.2%}",
            one.rate,
        )
        for one in summaries
    ]
    return _HEAD, rows
