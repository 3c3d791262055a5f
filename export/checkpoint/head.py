"""The activation of a checkpoint's head, by the rule of transformers' own image classification pipeline."""

from typing import Any

from vitscope.bundle import Activation
from vitscope.export.errors import ExportError


def activation_of(config: Any) -> Activation:
    """Return the function that transformers' `ImageClassificationPipeline` applies to the logits by default.

    `function_to_apply` in a configuration changes nothing there, as long as there is a label.
    """
    problem = getattr(config, "problem_type", None)
    if problem == "regression":
        return "none"
    if problem == "multi_label_classification" or config.num_labels == 1:
        return "sigmoid"
    return "softmax"


def check_head(activation: Activation, labels: int) -> None:
    """Raise ExportError for a softmax over one label, which is 1 whatever the image shows."""
    if activation == "softmax" and labels == 1:
        raise ExportError(
            "--head softmax: this checkpoint has one label, which would always have 1.0; accepted: sigmoid, none"
        )
