"""A caller's choice of what is inside of the encoder, not yet checked against the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vitscope.server.maps.rollout import MEAN_OF_ALL, RolloutOptions
from vitscope.server.maps.tokens import Token

Part = Literal["matrices", "rows", "columns", "queries", "keys", "values", "token_norms", "lens", "rollout", "updates"]
PARTS_OF_HEADS: tuple[Part, ...] = ("matrices", "rows", "columns", "queries", "keys", "values")
"""Parts with a block for each layer and head."""

DEFAULT_PIECE, LEAST_PIECE, LARGEST_PIECE = 2**20, 2**12, 3 * 2**20


@dataclass(frozen=True, slots=True)
class InternalsOptions:
    """Which parts to send, and in what form.

    layers: from 0, negative ones count from the last; empty for all. heads: from 0; empty for all. tokens: of rows,
    columns and rollout; empty for the first. lens_classes: indices; empty for those of the answer. dtype: of all
    values. piece_bytes: most values of one message in bytes; 0 for the default.
    """

    parts: Sequence[Part]
    layers: Sequence[int] = ()
    heads: Sequence[int] = ()
    tokens: Sequence[Token] = ()
    lens_classes: Sequence[int] = ()
    rollout: RolloutOptions = MEAN_OF_ALL
    dtype: Literal["float32", "float16"] = "float32"
    piece_bytes: int = 0
