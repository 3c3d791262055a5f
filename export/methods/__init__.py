"""The explanation methods that an export can add to its graphs, one file each.

To add one: write a file with a subclass of `Method`, and list it in METHODS. Tracing, lint, reference, certificate and
manifest take everything that they need to know about it from there.
"""

from vitscope.export.methods.attention import Attention
from vitscope.export.methods.cam import Cam
from vitscope.export.methods.evidence import Evidence
from vitscope.export.methods.forward import Forward, Kept, Place, Scores, Seen, Subject, observe
from vitscope.export.methods.method import Bar, Dimensions, Method
from vitscope.export.methods.rollout import Rollout

__all__ = [
    "METHODS",
    "Attention",
    "Bar",
    "Cam",
    "Dimensions",
    "Evidence",
    "Forward",
    "Kept",
    "Method",
    "Place",
    "Rollout",
    "Scores",
    "Seen",
    "Subject",
    "observe",
]

METHODS: tuple[Method, ...] = (Attention(), Cam(), Evidence(), Rollout())
"""In the order of their outputs in a graph."""
