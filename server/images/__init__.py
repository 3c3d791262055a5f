"""From a caller's bytes to the model's pixels and their position on the caller's image. Runs on decode threads."""

from vitscope.server.images.geometry import Geometry
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_encoded, prepare_raw

__all__ = ["Geometry", "ImageLimits", "Prepared", "prepare_encoded", "prepare_raw"]
