"""The metadata at the head of a model card (https://huggingface.co/docs/hub/model-cards)."""

import json
from typing import Any

from vitscope.evaluate.card import Card
from vitscope.evaluate.metrics import Metrics


def metadata(metrics: Metrics, card: Card) -> str:
    """Return the block of YAML, with its fences."""
    dataset = {"type": "imagefolder", "name": card.data or "image folder", "split": card.split}
    found = [
        {"type": "accuracy", "value": metrics.accuracy.value, "name": "Accuracy"},
        {"type": "f1", "value": metrics.macro_f1, "name": "F1, macro average"},
    ]
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": dataset,
        "metrics": found,
    }
    fields: dict[str, Any] = {
        "library_name": card.library,
        "pipeline_tag": "image-classification",
        "license": card.licence,
        "base_model": card.base,
        "tags": ["image-classification", "vision", "vitscope"],
        "metrics": ["accuracy", "f1"],
        "model-index": [{"name": card.name or "model", "results": [result]}],
    }
    # JSON is YAML: quoting is left to a library that is there.
    lines = (f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items() if value is not None)
    return "\n".join(["---", *lines, "---"])
