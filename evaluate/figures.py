"""metrics.json: all figures of a report, for programs."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitscope.evaluate.calibration_error import BINNING
from vitscope.evaluate.card import Card
from vitscope.evaluate.intervals import METHOD
from vitscope.evaluate.metrics import TOP, Metrics

METRICS = "metrics.json"


def write_metrics(metrics: Metrics, card: Card, path: Path) -> None:
    """Write metrics.json. Shares are 0..1, each with the ends of its interval; null where nothing can be said."""
    path.write_text(json.dumps(_document(metrics, card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _document(metrics: Metrics, card: Card) -> dict[str, Any]:
    return {
        "model": card.name,
        "data": card.data,
        "split": card.split,
        "settings": {name: str(value) for name, value in card.settings.items()},
        "images": metrics.images,
        "unreadable": [{"path": str(one.path), "reason": one.reason} for one in card.unreadable],
        "accuracy": asdict(metrics.accuracy),
        f"top{TOP}_accuracy": asdict(metrics.top5) if metrics.top5 else None,
        "macro": {
            "precision": metrics.macro_precision,
            "recall": metrics.macro_recall,
            "f1": metrics.macro_f1,
            "over": "the classes that have images",
        },
        "temperature": metrics.temperature,
        "calibration": {
            "before": asdict(metrics.before),
            "after": asdict(metrics.after),
            "ece": BINNING,
        },
        "intervals": METHOD,
        "classes": [asdict(one) for one in metrics.classes],
        "confusion": [
            {"label": metrics.labels[truth], "predicted": metrics.labels[said], "images": images}
            for (truth, said), images in metrics.confusion.items()
        ],
    }
