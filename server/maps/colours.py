"""The colour maps that callers may ask for, by their names in the API."""

from typing import Final, get_args

import numpy as np

from vitscope.drawing.colours import COLOURS as ALL
from vitscope.server.maps.rendering import ColourMap

# Name -> uint8 [256, 3], RGB.
COLOURS: Final[dict[ColourMap, np.ndarray]] = {name: ALL[name] for name in get_args(ColourMap)}
