"""Which token of the sequence a request means."""

from dataclasses import dataclass

from vitscope.bundle import TokenGeometry
from vitscope.server.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch by its place on the image, from 0 at the top left."""

    row: int
    col: int


Token = int | Patch
"""A token: its index in the sequence, or a patch."""


def index_of(token: Token, geometry: TokenGeometry, index_field: str = "token", patch_field: str = "patch") -> int:
    """Return the index of a token in the sequence. Raises InvalidRequest naming the field for one that is not there."""
    if isinstance(token, Patch):
        if not (0 <= token.row < geometry.grid_rows and 0 <= token.col < geometry.grid_cols):
            raise InvalidRequest(
                patch_field,
                f"row {token.row}, column {token.col}",
                f"row 0 to {geometry.grid_rows - 1}, column 0 to {geometry.grid_cols - 1}",
            )
        return geometry.prefix + token.row * geometry.grid_cols + token.col
    count = geometry.prefix + geometry.patches
    if not 0 <= token < count:
        raise InvalidRequest(index_field, str(token), f"0 to {count - 1}")
    return token
