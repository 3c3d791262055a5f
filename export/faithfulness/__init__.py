"""How well maps say what a model goes by, measured from outside: with pixels, an engine's outputs, and numpy alone."""

from vitscope.export.faithfulness.bootstrap import interval
from vitscope.export.faithfulness.fills import FILLS, filled
from vitscope.export.faithfulness.mosaics import CHANCE, Mosaics, mosaics, pointing
from vitscope.export.faithfulness.removal import Curves, Score, curves

__all__ = ["CHANCE", "FILLS", "Curves", "Mosaics", "Score", "curves", "filled", "interval", "mosaics", "pointing"]
