"""The activation of a checkpoint's head, by the rule of transformers' own image classification pipeline, and its
temperature."""

from pathlib import Path
from typing import Any

from vitscope.bundle import Activation
from vitscope.calibration import CALIBRATION, CalibrationError, read_calibration
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


def temperature_of(folder: Path, activation: Activation) -> float:
    """Return the temperature that was fitted to the checkpoint in `folder`: 1 without a calibration.json.

    Raises ExportError if that is not as it should be, or the head has no probabilities to calibrate.
    """
    try:
        found = read_calibration(folder)
    except CalibrationError as error:
        raise ExportError(f"CHECKPOINT: {str(error).replace(str(folder / CALIBRATION), CALIBRATION)}") from error
    if found is None or found.temperature == 1:
        return 1.0
    if activation == "none":
        raise ExportError(
            f"CHECKPOINT: {CALIBRATION} has temperature {found.temperature:g}, but this head's outputs are plain "
            f"values, which have no probabilities; accepted: no {CALIBRATION}, temperature 1, or another --head"
        )
    return found.temperature
