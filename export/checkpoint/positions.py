"""Input sizes and patch grids. What depends on the input size is fixed once, at export, as a constant of the graph."""

from typing import Any

from vitscope.bundle import TokenGeometry
from vitscope.export.errors import ExportError
from vitscope.export.families import Family
from vitscope.export.size import Size

MAX_TOKENS = 65_536


def check_multiple(size: Size, patch: Size) -> None:
    """Raise ExportError for a --size that is not a multiple of the patch: the convolution would drop the remainder."""
    if size.height % patch.height or size.width % patch.width:
        below, above = (
            Size(
                max(patch.height * ((size.height + up * (patch.height - 1)) // patch.height), patch.height),
                max(patch.width * ((size.width + up * (patch.width - 1)) // patch.width), patch.width),
            )
            for up in (0, 1)
        )
        nearest = f"{below} and {above}" if below != above else str(above)
        raise ExportError(f"--size {size}: not a multiple of the patch of {patch}; accepted nearest to it: {nearest}")


def token_geometry(model: Any, family: Family, size: Size) -> TokenGeometry:
    """Describe the token sequence of an input. A remainder is dropped, as the strided convolution does.

    Raises ExportError if no patch fits, if there are too many, or if the model cannot take this size.
    """
    patch = family.patch_size(model)
    rows, cols = size.height // patch.height, size.width // patch.width
    if not rows or not cols:
        raise ExportError(f"--size {size}: smaller than one patch of {patch}")
    if rows * cols > MAX_TOKENS:
        raise ExportError(
            f"input size {size}: {rows * cols:,} patches of {patch}; accepted: up to {MAX_TOKENS:,} (a smaller --size)"
        )
    if reason := family.resizes(model, size):
        raise ExportError(f"--size {size}: {reason}")
    return family.geometry(model, size)
