"""Drawing of maps, as overlays on the photo or as heat maps alone."""

import io
import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from vitscope.server.images.geometry import Geometry
from vitscope.server.maps.colours import COLOURS
from vitscope.server.maps.map import Map
from vitscope.server.maps.rendering import DEFAULT_MAX_SIDE, DEFAULT_MIN_SIDE, ColourMap, RenderingSpec

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
    """Draw one map on a canvas of its own. Raises as `Canvas` does."""
    return Canvas(spec, geometry, photo).draw(drawn)


class Canvas:
    """Draws maps in colours, each from its own smallest to its own largest value, in the same place; in blue_orange
    from its largest absolute value below zero to the same above.

    photo: the upright RGB photo at any resolution; only an overlay needs it. An overlay has the photo's aspect ratio,
    and its grid lies where Geometry puts it. A heat map alone has the aspect ratio of the model's input.

    What does not depend on the map is computed once, with the first one. Not thread-safe.

    Raises InvalidRequest when no size was requested and the photo's own is too large for so many pictures. Raises
    ValueError for an overlay without a photo.
    """

    def __init__(self, spec: RenderingSpec, geometry: Geometry, photo: Image.Image | None) -> None:
        if spec.kind == "heat_map":
            photo = None
            extent = (geometry.model_width, geometry.model_height)
            grid_to_extent: tuple[float, ...] = (geometry.patch_width, 0.0, 0.0, 0.0, geometry.patch_height, 0.0)
        elif photo is None:
            raise ValueError("an overlay needs the photo; none was kept")
        else:
            extent, grid_to_extent = (geometry.image_width, geometry.image_height), geometry.grid_to_image
        self._spec, self._photo = spec, photo
        self._grid = (geometry.grid_cols, geometry.grid_rows)
        self.size = _size(extent, spec.size or _default_side(geometry))
        """(width, height) of each picture."""
        spec.check(self.size)
        picture_to_grid = _inverse(grid_to_extent) @ np.diag([extent[0] / self.size[0], extent[1] / self.size[1], 1])
        self._coefficients = tuple(picture_to_grid[:2].ravel())

    def draw(self, drawn: Map) -> Rendered:
        """Draw one map."""
        colours = self._spec.color_map or ("blue_orange" if drawn.evidence else "viridis")
        low, high = drawn.min, drawn.max
        if colours == "blue_orange":
            low, high = -max(-low, high), max(-low, high)
        heat = self._heat(drawn.values, low, high, colours)
        if self._background is not None:
            heat = Image.blend(self._background, heat, self._spec.opacity)
        return _file(Image.composite(heat, self._unseen, self._seen), self._spec, low, high)

    @cached_property
    def _background(self) -> Image.Image | None:
        return self._photo and self._photo.resize(self.size, Image.Resampling.BICUBIC)

    @cached_property
    def _unseen(self) -> Image.Image:
        """What is drawn outside the grid, RGB."""
        unseen = Image.new("L", self.size, UNSEEN)
        if self._background is not None:
            unseen = Image.blend(self._background.convert("L"), unseen, 0.5)
        return unseen.convert("RGB")

    @cached_property
    def _seen(self) -> Image.Image:
        """Which pixels lie on the grid ("L", 255 inside)."""
        return self._place(Image.new("L", self._grid, 255), Image.Resampling.BILINEAR)

    def _heat(self, values: np.ndarray, low: float, high: float, colours: ColourMap) -> Image.Image:
        """Return the map in colours (RGB)."""
        span = high - low
        shares = (values - low) / span if span > 0 else np.full_like(values, 0.5 if colours == "blue_orange" else 0)
        how = Image.Resampling.NEAREST if self._spec.upsampling == "nearest" else Image.Resampling.BILINEAR
        # Converting to "L" truncates, hence the half.
        heat = self._place(Image.fromarray((shares * 255 + 0.5).astype(np.float32)), how).convert("L")
        heat.putpalette(COLOURS[colours].tobytes())
        return heat.convert("RGB")

    def _place(self, grid: Image.Image, how: Image.Resampling) -> Image.Image:
        # Pillow's affine transform samples at the centres of pixels, as Geometry's edge coordinates require. Bilinear,
        # not cubic: cubic filters overshoot, so they show values that the map does not contain.
        return grid.transform(self.size, Image.Transform.AFFINE, self._coefficients, how)


def _default_side(geometry: Geometry) -> int:
    return min(max(geometry.image_width, geometry.image_height, DEFAULT_MIN_SIDE), DEFAULT_MAX_SIDE)


def _size(extent: tuple[int, int], longer: int) -> tuple[int, int]:
    width, height = (max(1, round(side * longer / max(extent))) for side in extent)
    return width, height


def _inverse(affine: tuple[float, ...]) -> np.ndarray:
    return np.linalg.inv(np.array([*affine, 0, 0, 1], np.float64).reshape(3, 3))


def _file(picture: Image.Image, spec: RenderingSpec, low: float, high: float) -> Rendered:
    file = io.BytesIO()
    if spec.format == "png":
        picture.save(file, "PNG", compress_level=PNG_LEVEL, compress_type=zlib.Z_RLE)
    else:
        picture.save(file, "JPEG", quality=JPEG_QUALITY)
    return Rendered(f"image/{spec.format}", file.getvalue(), picture.width, picture.height, low, high)
