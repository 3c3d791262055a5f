"""What it will cost to turn the image of a request into the model's pixels."""

from typing import Final

from vitscope.bundle import InputContract
from vitscope.server.decoding.job import DecodeJob
from vitscope.server.images.cost import Cost, predict
from vitscope.server.images.transform import plan_fit

# Seconds and bytes for each pixel of the image as it is resized before it is cropped, and for each that is sent raw.
_FITTED_SECONDS, _FITTED_BYTES = 1e-8, 8
_RAW_SECONDS, _RAW_BYTES = 4e-9, 4
# Seconds to handle an image, however small.
_LEAST: Final = 1e-4


def predict_file(job: DecodeJob) -> Cost:
    """Predict the cost of a file: to decode it, and to fit it to the model's input."""
    cost = predict(job.data, job.limits)
    return _with_fit(cost, (cost.width, cost.height), job.contract, job.limits.max_pixels)


def predict_raw(width: int, height: int, preprocessed: bool, contract: InputContract, max_pixels: int) -> Cost:
    """Predict the cost of pixels that are sent as they are: the least where they have the model's size already."""
    pixels = min(max(0, width * height), max_pixels)
    cost = Cost(_LEAST + pixels * _RAW_SECONDS, pixels * _RAW_BYTES, certain=True)
    return cost if preprocessed else _with_fit(cost, (width, height), contract, max_pixels)


def _with_fit(cost: Cost, size: tuple[int, int], contract: InputContract, max_pixels: int) -> Cost:
    """Add the cost of resizing: an image of some pixels' height is made very wide to fit one by its shorter side."""
    if min(size) <= 0:
        return cost
    fit = plan_fit(size, contract)
    pixels = fit.width * fit.height
    if pixels > max_pixels:  # it is refused
        return cost
    seconds, memory = cost.seconds + pixels * _FITTED_SECONDS, cost.bytes + pixels * _FITTED_BYTES
    return Cost(seconds, memory, cost.certain, *size)
