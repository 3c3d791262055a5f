"""Colour maps: 256 colours from low to high, from dark to bright for amounts, around white for values of both signs.

viridis and inferno: Smith and van der Walt, 2015. cividis: Nuñez, Anderton and Renslow, PLOS ONE 2018. Each is given by
equally spaced colours, linear in between, and is within a few levels of the full table. signed and blue_orange go from
blue over white to orange, which are told apart by those who cannot tell red from green; signed is as dark at both ends.
"""

from typing import Final, Literal

import numpy as np

ColourMap = Literal["viridis", "inferno", "cividis", "grey", "signed", "blue_orange"]

_ANCHORS: Final[dict[ColourMap, str]] = {
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "inferno": "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4",
    "cividis": "00204d 00336f 39486b 575c6d 707173 8a8779 a69d75 c4b56c e4cf5b ffea46",
    "grey": "000000 ffffff",
    "signed": "0b3c73 2166ac 5b9bd1 a9cfe8 f7f7f7 fbcf9d f0943f c9610d 6a2c02",
    "blue_orange": "0b4f8a 3f8ac4 9cc6e5 f7f7f7 f6c38a e08a2c a85406",
}


def _table(anchors: str) -> np.ndarray:
    colours = np.array([list(bytes.fromhex(colour)) for colour in anchors.split()])
    at = np.linspace(0, 255, len(colours))
    table: np.ndarray = np.stack([np.interp(np.arange(256), at, channel) for channel in colours.T], axis=1)
    return table.round().astype(np.uint8)


# Name -> uint8 [256, 3], RGB.
COLOURS: Final[dict[ColourMap, np.ndarray]] = {name: _table(anchors) for name, anchors in _ANCHORS.items()}
