"""The accuracy gate: is an engine, on the machine that it serves on, as accurate as the float32 reference?

Compilers have produced engines that run and answer wrongly, on some processors and at some batch sizes only. So where
answers depend on the machine, the certificate of the exporting machine is not enough.
"""

from vitscope.server.engines.gate.images import made_up_images
from vitscope.server.engines.gate.verdicts import GateFailed, compare, has_own, require

__all__ = ["GateFailed", "compare", "has_own", "made_up_images", "require"]
