"""Position tables and patch grids. Tables are interpolated once, at export, so that the graph holds the final table."""

from typing import Any

import torch

from vitscope.bundle import TokenGeometry
from vitscope.export.checkpoint.families import Family
from vitscope.export.checkpoint.preprocess import Size
from vitscope.export.errors import ExportError

MAX_TOKENS = 65_536


def native_size(model: Any, family: Family) -> Size:
    """Return the input size of the checkpoint's position table."""
    return Size(*family.embeddings(model).patch_embeddings.image_size)


def patch_size(model: Any, family: Family) -> Size:
    """Return the patch size in pixels."""
    return Size(*family.embeddings(model).patch_embeddings.patch_size)


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


def grid(model: Any, family: Family, size: Size) -> tuple[int, int]:
    """Return the patches of an input as (rows, columns). A remainder is dropped, as the strided convolution does.

    Raises ExportError if no patch fits, if there are too many, or if the family cannot interpolate its table to this
    size.
    """
    native, patch = native_size(model, family), patch_size(model, family)
    rows, cols = size.height // patch.height, size.width // patch.width
    if not rows or not cols:
        raise ExportError(f"--size {size}: smaller than one patch of {patch}")
    if rows * cols > MAX_TOKENS:
        raise ExportError(
            f"input size {size}: {rows * cols:,} patches of {patch}; accepted: up to {MAX_TOKENS:,} (a smaller --size)"
        )
    interpolates = family.always_interpolates or size != native
    # transformers interpolates the table as a square grid of square patches; other tables only fit their own size.
    if interpolates and (native.height != native.width or patch.height != patch.width):
        raise ExportError(
            f"--size {size}: the position table is for {native} with patches of {patch}, and {family.title} "
            f"interpolates square tables only; accepted: {'no size' if family.always_interpolates else native}"
        )
    return rows, cols


def token_geometry(model: Any, family: Family, size: Size) -> TokenGeometry:
    """Describe the token sequence of an input. Raises ExportError as `grid` does."""
    (rows, cols), patch = grid(model, family, size), patch_size(model, family)
    return TokenGeometry(
        patch_height=patch.height,
        patch_width=patch.width,
        grid_rows=rows,
        grid_cols=cols,
        distillation_tokens=family.distillation_tokens,
        register_tokens=family.register_tokens(model),
        pooling=family.pooling,
    )


@torch.inference_mode()
def position_table(model: Any, family: Family, size: Size) -> torch.Tensor:
    """Return the table that the model adds at this input size, by its own interpolation.

    Returns float32 [1, positioned prefix + rows * cols, width].
    """
    embeddings = family.embeddings(model)
    if size == native_size(model, family) and not family.always_interpolates:
        table: torch.Tensor = embeddings.position_embeddings
    else:
        rows, cols = grid(model, family, size)
        tokens = torch.empty(1, family.positioned_prefix() + rows * cols, model.config.hidden_size)
        table = embeddings.interpolate_pos_encoding(tokens, size.height, size.width)
    return table.detach().clone()


def freeze_positions(model: Any, family: Family, size: Size) -> None:
    """Fix `model` to this input size, in place, by replacing its table with the interpolated one."""
    table = torch.nn.Parameter(position_table(model, family, size).clone(), requires_grad=False)
    embeddings = family.embeddings(model)
    embeddings.position_embeddings = table
    embeddings.image_size = (size.height, size.width)
    embeddings.interpolate_pos_encoding = lambda *_: embeddings.position_embeddings
