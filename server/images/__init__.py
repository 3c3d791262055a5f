"""Bytes from a caller -> the model's pixels and where they lie on the caller's photo. Runs in decode threads."""

from vitscope.server.images.geometry import Geometry
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_encoded, prepare_raw

__all__ = ["Geometry", "ImageLimits", "Prepared", "prepare_encoded", "prepare_raw"]
