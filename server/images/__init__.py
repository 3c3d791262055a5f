"""Bytes from a caller -> the model's pixels and where they lie on the caller's photo. Runs in decode threads."""

from server.images.geometry import Geometry
from server.images.limits import ImageLimits
from server.images.prepare import Prepared, prepare_encoded, prepare_raw

__all__ = ["Geometry", "ImageLimits", "Prepared", "prepare_encoded", "prepare_raw"]
