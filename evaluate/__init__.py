"""How good a model is: labelled images and its logits for them -> figures, a model card and pictures.

The model is a checkpoint, a bundle or one that a server serves. Training calls the same report at the end of a run:

    predictions = Predictions(labels, paths, truth, logits)      # of the validation images
    calibration = calibrate(predictions)                          # fits the temperature
    calibration.write(checkpoint)                                 # calibration.json
    write_report(of_the_test_images, checkpoint, calibration.temperature, card=Card(...), history=[Epoch(...), ...])
"""

from vitscope.evaluate.card import Card
from vitscope.evaluate.errors import EvaluateError
from vitscope.evaluate.history import Epoch
from vitscope.evaluate.metrics import Metrics
from vitscope.evaluate.predictions import Predictions, Unreadable
from vitscope.evaluate.report import write_report
from vitscope.evaluate.temperature import calibrate, fit_temperature

__all__ = [
    "Card",
    "Epoch",
    "EvaluateError",
    "Metrics",
    "Predictions",
    "Unreadable",
    "calibrate",
    "fit_temperature",
    "write_report",
]
