"""A caller's options for maps, not yet checked against the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vitscope.server.maps.classes import NONE, ClassOptions
from vitscope.server.maps.condition import ALWAYS, When
from vitscope.server.maps.rendering import RenderingSpec
from vitscope.server.maps.rollout import MEAN_OF_ALL, RolloutOptions
from vitscope.server.maps.tokens import Token

Dtype = Literal["float32", "float16", "uint8"]
Direction = Literal["from", "to"]
"""What a token attends to, or who attends to it."""

Chosen = Sequence[int] | Literal["all"]
"""Indices of layers or heads; empty takes the method's default."""


@dataclass(frozen=True, slots=True)
class MapOptions:
    """Which maps to make, and in what form.

    method: a name in the registry (maps/methods), or empty for the first one that the model has. layers: from 0;
    negative ones count from the last. heads: from 0. dtype: of the values in the reply. rendering: how to draw a
    picture of each map; None for no pictures. classes: which ones to explain, for methods that have a choice. when: the
    condition under which the maps are made. token: whose attention, or who is attended to (direction "to"); None for
    that of the token or tokens that the head reads. rollout: how rollout is made.
    """

    method: str = ""
    layers: Chosen = ()
    heads: Chosen = ()
    dtype: Dtype = "float32"
    rendering: RenderingSpec | None = None
    classes: ClassOptions = NONE
    when: When = ALWAYS
    token: Token | None = None
    direction: Direction = "from"
    rollout: RolloutOptions = MEAN_OF_ALL
