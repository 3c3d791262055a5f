"""Colour maps: one from dark to bright for amounts, one around white for signed values.

viridis: Smith and van der Walt, 2015, by equally spaced colours. The signed one goes from blue over white to orange,
as dark at both ends, and is told apart by those who cannot tell red from green.
"""

from typing import Final, Literal

import numpy as np

ColourMap = Literal["viridis", "signed", "grey"]

_ANCHORS: Final[dict[ColourMap, str]] = {
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "signed": "0b3c73 2166ac 5b9bd1 a9cfe8 f7f7f7 fbcf9d f0943f c9610d 6a2c02",
    "grey": "000000 ffffff",
}


def _table(anchors: str) -> np.ndarray:
    colours = np.array([list(bytes.fromhex(colour)) for colour in anchors.split()])
    at = np.linspace(0, 255, len(colours))
    table: np.ndarray = np.stack([np.interp(np.arange(256), at, channel) for channel in colours.T], axis=1)
    return table.round().astype(np.uint8)


# Name -> uint8 [256, 3], RGB.
COLOURS: Final[dict[ColourMap, np.ndarray]] = {name: _table(anchors) for name, anchors in _ANCHORS.items()}
