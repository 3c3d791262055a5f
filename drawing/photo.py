"""The caller's photo: what the model saw of it, the patches on it, and maps laid over it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitscope.drawing.scales import Scale
from vitscope.drawing.scene import Drawing, Item, Line, Raster, Rect
from vitscope.drawing.style import LINE, MARK

_UNSEEN = 205  # grey that what the model did not see is blended with
_DETAIL = 2  # pixels to a CSS pixel


@dataclass(frozen=True, eq=False)
class Place:
    """Where the grid of patches lies on a photo, in edge coordinates of the upright photo, as the server reports it.

    image_size: width and height. grid_to_image: float64 [2, 3], of (column, row, 1). grid: rows and columns. seen:
    left, top, right and bottom of what the model saw.
    """

    image_size: tuple[int, int]
    grid_to_image: np.ndarray
    grid: tuple[int, int]
    seen: tuple[float, float, float, float]

    def at(self, column: float, row: float) -> tuple[float, float]:
        """Return the place of a point of the grid on the photo."""
        x, y = self.grid_to_image @ (column, row, 1.0)
        return float(x), float(y)


def photo(
    image: Image.Image, place: Place, width: float, marks: Sequence[tuple[int, int]] = (), ruled: bool = False
) -> Drawing:
    """Draw the upright photo. What the model did not see is greyed. marks: patches to outline. ruled: outline all."""
    canvas = _Canvas(place, width)
    return canvas.drawing(canvas.greyed(image), marks, ruled)


def overlay(
    image: Image.Image,
    values: np.ndarray,
    place: Place,
    scale: Scale,
    width: float,
    smooth: bool = True,
    opacity: float = 0.6,
    marks: Sequence[tuple[int, int]] = (),
) -> Drawing:
    """Draw a map [rows, cols] over the upright photo, each value where its patch was cut from.

    Below it the photo is grey, so that no colour is its own.
    """
    canvas = _Canvas(place, width)
    heat = Image.fromarray(scale.colour(canvas.stretched(values, smooth)))
    background = canvas.resized(image).convert("L").convert("RGB")
    mixed = Image.composite(Image.blend(background, heat, opacity), canvas.greyed(image), canvas.covered)
    return canvas.drawing(mixed, marks, False)


class _Canvas:
    """The photo at the size at which it is drawn."""

    def __init__(self, place: Place, width: float) -> None:
        self.place, self.width = place, width
        self.height = width * place.image_size[1] / place.image_size[0]
        self.size = (max(1, round(width * _DETAIL)), max(1, round(self.height * _DETAIL)))
        step = [full / drawn for full, drawn in zip(place.image_size, self.size, strict=True)]
        to_image = np.vstack([place.grid_to_image, (0, 0, 1)])
        self._to_grid = tuple((np.linalg.inv(to_image) @ np.diag([*step, 1]))[:2].ravel())
        self.covered = self._transformed(Image.new("L", (place.grid[1], place.grid[0]), 255), Image.Resampling.NEAREST)

    def resized(self, image: Image.Image) -> Image.Image:
        """Return the photo at the canvas's size. Enlarged, its pixels stay squares."""
        small = image.width * 4 <= self.size[0]
        how = Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
        return image.convert("RGB").resize(self.size, how, reducing_gap=3.0)

    def greyed(self, image: Image.Image) -> Image.Image:
        """Return the photo with what the model did not see in pale grey."""
        shown = self.resized(image)
        unseen = Image.blend(shown.convert("L"), Image.new("L", self.size, _UNSEEN), 0.65).convert("RGB")
        left, top, right, bottom = self.place.seen
        x, y = (drawn / full for full, drawn in zip(self.place.image_size, self.size, strict=True))
        box = (round(left * x), round(top * y), round(right * x), round(bottom * y))
        unseen.paste(shown.crop(box), box)
        return unseen

    def stretched(self, values: np.ndarray, smooth: bool) -> np.ndarray:
        """Return the values at each pixel of the canvas; beyond the grid those of its edge, or zero."""
        how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
        return np.asarray(self._transformed(Image.fromarray(values.astype(np.float32)), how))

    def drawing(self, image: Image.Image, marks: Sequence[tuple[int, int]], ruled: bool) -> Drawing:
        items: list[Item] = [Raster(0, 0, self.width, self.height, image)]
        if ruled:
            items += self._rules()
        items.append(Rect(0, 0, self.width, self.height, stroke=LINE))
        for row, column in marks:
            (left, top), (right, bottom) = self._at(column, row), self._at(column + 1, row + 1)
            items.append(Rect(left, top, right - left, bottom - top, stroke=MARK, thickness=2))
        return Drawing(self.width, self.height, tuple(items))

    def _rules(self) -> list[Item]:
        rows, columns = self.place.grid
        (left, top), (right, bottom) = self._at(0, 0), self._at(columns, rows)
        clip = [min(max(value, 0), most) for value, most in zip(
            (left, top, right, bottom), (self.width, self.height) * 2, strict=True)]  # fmt: skip
        across = [self._at(column, 0)[0] for column in range(columns + 1)]
        down = [self._at(0, row)[1] for row in range(rows + 1)]
        edges = [(x, clip[1], x, clip[3]) for x in across if 0 <= x <= self.width]
        edges += [(clip[0], y, clip[2], y) for y in down if 0 <= y <= self.height]
        # Dark on white, to be seen on bright and on dark photos.
        return [Line(*edge, *look) for look in (("#ffffff", 1.5), ("#475569", 0.5)) for edge in edges]

    def _at(self, column: float, row: float) -> tuple[float, float]:
        x, y = self.place.at(column, row)
        return x * self.width / self.place.image_size[0], y * self.height / self.place.image_size[1]

    def _transformed(self, grid: Image.Image, how: Image.Resampling) -> Image.Image:
        # Pillow samples at the centres of pixels, as edge coordinates require.
        return grid.transform(self.size, Image.Transform.AFFINE, self._to_grid, how)
