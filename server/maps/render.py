"""Drawing of maps, as overlays on the photo or as heat maps alone."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitscope.server.images.geometry import Geometry
from vitscope.server.maps.colours import COLOURS
from vitscope.server.maps.map import Map
from vitscope.server.maps.rendering import DEFAULT_MAX_SIDE, DEFAULT_MIN_SIDE, RenderingSpec

JPEG_QUALITY = 90
PNG_LEVEL = 2  # Pillow's default, 6, takes four times as long on a photo to save 8 % of the bytes
# Outside the model's crop an overlay shows the photo without colour, blended halfway with this grey.
UNSEEN = 128


@dataclass(frozen=True)
class Rendered:
    """A picture file. value_min, value_max: the values drawn in the lowest and the highest colour."""

    media_type: str
    data: bytes
    width: int
    height: int
    value_min: float
    value_max: float


def render(drawn: Map, spec: RenderingSpec, geometry: Geometry, photo: Image.Image | None) -> Rendered:
    """Draw one map in colours from its own smallest to its own largest value.

    photo: the upright RGB photo at any resolution; only an overlay needs it. An overlay has the photo's aspect ratio,
    and its grid lies where Geometry puts it. A heat map alone has the aspect ratio of the model's input.

    Raises InvalidRequest when no size was requested and the photo's own is too large for so many pictures. Raises
    ValueError for an overlay without a photo.
    """
    if spec.kind == "heat_map":
        photo = None
        extent = (geometry.model_width, geometry.model_height)
        grid_to_extent: tuple[float, ...] = (geometry.patch_width, 0.0, 0.0, 0.0, geometry.patch_height, 0.0)
    elif photo is None:
        raise ValueError("an overlay needs the photo; none was kept")
    else:
        extent, grid_to_extent = (geometry.image_width, geometry.image_height), geometry.grid_to_image
    size = _size(extent, spec.size or _default_side(geometry))
    spec.check(size)
    picture_to_grid = _inverse(grid_to_extent) @ np.diag([extent[0] / size[0], extent[1] / size[1], 1])
    heat, seen = _heat(drawn, spec, size, picture_to_grid)
    unseen = Image.new("L", size, UNSEEN)
    if photo is not None:
        background = photo.resize(size, Image.Resampling.BICUBIC)
        heat = Image.blend(background, heat, spec.opacity)
        unseen = Image.blend(background.convert("L"), unseen, 0.5)
    return _file(Image.composite(heat, unseen.convert("RGB"), seen), spec, drawn)


def _default_side(geometry: Geometry) -> int:
    return min(max(geometry.image_width, geometry.image_height, DEFAULT_MIN_SIDE), DEFAULT_MAX_SIDE)


def _size(extent: tuple[int, int], longer: int) -> tuple[int, int]:
    width, height = (max(1, round(side * longer / max(extent))) for side in extent)
    return width, height


def _inverse(affine: tuple[float, ...]) -> np.ndarray:
    return np.linalg.inv(np.array([*affine, 0, 0, 1], np.float64).reshape(3, 3))


def _heat(
    drawn: Map, spec: RenderingSpec, size: tuple[int, int], picture_to_grid: np.ndarray
) -> tuple[Image.Image, Image.Image]:
    """Return the map in colours (RGB), and which pixels lie on the grid ("L", 255 inside)."""
    span = drawn.max - drawn.min
    shares = (drawn.values - drawn.min) / span if span > 0 else np.zeros_like(drawn.values)
    how = Image.Resampling.NEAREST if spec.upsampling == "nearest" else Image.Resampling.BILINEAR
    # Pillow's affine transform samples at the centres of pixels, as Geometry's edge coordinates require. Bilinear, not
    # cubic: cubic filters overshoot, so they show values that the map does not contain.
    coefficients = tuple(picture_to_grid[:2].ravel())

    def place(grid: Image.Image, how: Image.Resampling) -> Image.Image:
        return grid.transform(size, Image.Transform.AFFINE, coefficients, how)

    # Converting to "L" truncates, hence the half.
    heat = place(Image.fromarray((shares * 255 + 0.5).astype(np.float32)), how).convert("L")
    heat.putpalette(COLOURS[spec.color_map].tobytes())
    rows, cols = drawn.values.shape
    return heat.convert("RGB"), place(Image.new("L", (cols, rows), 255), Image.Resampling.BILINEAR)


def _file(picture: Image.Image, spec: RenderingSpec, drawn: Map) -> Rendered:
    file = io.BytesIO()
    if spec.format == "png":
        picture.save(file, "PNG", compress_level=PNG_LEVEL)
    else:
        picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return Rendered(f"image/{spec.format}", file.getvalue(), picture.width, picture.height, drawn.min, drawn.max)
