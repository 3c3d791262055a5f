"""Labelled images of a folder or of a hub data set, checked before anything is computed with them. No image is kept."""

from vitscope.dataset.errors import DatasetError
from vitscope.dataset.model import TEST, TRAIN, VALIDATION, Dataset, LabelledImage
from vitscope.dataset.opening import open_dataset

__all__ = ["TEST", "TRAIN", "VALIDATION", "Dataset", "DatasetError", "LabelledImage", "open_dataset"]
