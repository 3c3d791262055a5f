"""The position of the model's grid of patches on the caller's image."""

from dataclasses import dataclass
from typing import Literal

from vitscope.bundle import InputContract, TokenGeometry
from vitscope.server.images.transform import Fit


@dataclass(frozen=True)
class Geometry:
    """The position of the grid. Each field has the meaning that it has in the API's message `Geometry`.

    Edge coordinates: x runs from 0 at the left edge of the upright image to image_width at its right edge.
    grid_to_image: (m0..m5), x = m0*c + m1*r + m2, y = m3*c + m4*r + m5 for continuous grid coordinates (c, r).
    seen: (x0, y0, x1, y1), the part of the image under the grid; the grid may reach beyond the image, over padding.
    """

    image_width: int
    image_height: int
    exif_orientation: int
    model_width: int
    model_height: int
    patch_width: int
    patch_height: int
    grid_rows: int
    grid_cols: int
    grid_to_image: tuple[float, float, float, float, float, float]
    seen: tuple[float, float, float, float]
    resize_mode: Literal["squash", "shortest_edge", "letterbox", "none"]


def locate(
    size: tuple[int, int], orientation: int, fit: Fit | None, contract: InputContract, tokens: TokenGeometry
) -> Geometry:
    """Return the geometry of an upright image of `size` (width, height).

    fit: how it was fitted to the model's input; None if it was used unchanged.
    """
    width, height = size
    used = fit or Fit(width, height, 0, 0)
    # Image pixels per model pixel. They differ between the axes, by rounding or by squashing.
    x_scale, y_scale = width / used.width, height / used.height
    x0, y0 = used.left * x_scale, used.top * y_scale
    x1 = (used.left + tokens.grid_cols * tokens.patch_width) * x_scale
    y1 = (used.top + tokens.grid_rows * tokens.patch_height) * y_scale
    return Geometry(
        image_width=width,
        image_height=height,
        exif_orientation=orientation,
        model_width=contract.width,
        model_height=contract.height,
        patch_width=tokens.patch_width,
        patch_height=tokens.patch_height,
        grid_rows=tokens.grid_rows,
        grid_cols=tokens.grid_cols,
        grid_to_image=(tokens.patch_width * x_scale, 0.0, x0, 0.0, tokens.patch_height * y_scale, y0),
        seen=(
            max(0.0, x0),
            max(0.0, y0),
            min(float(width), x1) if contract.padding else x1,
            min(float(height), y1) if contract.padding else y1,
        ),
        resize_mode="none" if fit is None else contract.resize.mode,
    )
