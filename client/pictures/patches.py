"""The picture of a photo cut into patches, as the model reads it."""

import numpy as np
from PIL import Image

from vitscope.client.model import Model
from vitscope.client.result import Result
from vitscope.drawing import Drawing, Place, Raster, Rect, Text, column, photo, row, sheet, titled
from vitscope.drawing.style import INK, LINE, MARK, MUTED, SMALL

_FILTERS = {
    "nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}  # fmt: skip
_PHOTO, _PATCHES, _TALLEST = 320.0, 420.0, 420.0
_DETAIL = 2  # pixels to a CSS pixel
_THUMB, _SHOWN = 44.0, 9
_MERGING = ("swin", "swinv2", "hiera")


def draw_patches(
    image: Image.Image, result: Result, model: Model, name: str, chosen: tuple[int, int] | None = None
) -> Drawing:
    """Draw the photo with the grid on it, the patches apart from one another, and the tokens that they become.

    image: upright, of any resolution. chosen: (row, column) of a patch to outline and enlarge.
    """
    tokens = model.tokens
    grid = (tokens.grid_rows, tokens.grid_cols)
    place = result.geometry.place(*grid)
    width = max(min(_PHOTO, _TALLEST * place.image_size[0] / place.image_size[1]), 1.0)
    marks = [chosen] if chosen else []
    pixels = model_view(image, place, model)
    seen = result.geometry.seen_share
    note = f"The model saw {seen:.0%} of it; the rest is grey." if seen < 0.9995 else "The model saw all of it."
    panels = [
        titled("The photo, and the grid of patches on it", photo(image, place, width, marks, ruled=True), note),
        titled(f"The {grid[0] * grid[1]} patches", exploded(pixels, grid, _PATCHES, chosen)),
    ]
    if chosen:
        before = tokens.cls_tokens + tokens.distillation_tokens + tokens.register_tokens
        number = f"Token {before + chosen[0] * grid[1] + chosen[1]} of the sequence"
        panels.append(titled(f"Row {chosen[0]}, column {chosen[1]}", _one(pixels, grid, chosen), number))
    size, patch = result.geometry.image_size, (tokens.patch_width, tokens.patch_height)
    cells = "cells" if model.family in _MERGING else "patches"
    merged = " Blocks of this model merge patches: shown are the cells of its last stage." if cells == "cells" else ""
    return sheet(
        column(row(*panels), titled("The sequence that the encoder reads", _sequence(pixels, grid, model)), gap=26),
        f"{grid[1]} × {grid[0]} {cells} of {patch[0]} × {patch[1]} pixels",
        f"{name}: {size[0]} × {size[1]} pixels, {_fitted(model)}. Model {model.name} v{model.version}.{merged}",
        f"Each patch becomes a token of {model.width} numbers, by one convolution whose kernel and stride are the "
        "patch; the vector of its position is added where the model has one.",
    )


def model_view(image: Image.Image, place: Place, model: Model) -> Image.Image:
    """Return the pixels under the grid at the model's own resolution, RGB, padding included.

    Resized from the photo here: the server's differ by rounding, and by its shortcuts for large photos.
    """
    tokens = model.tokens
    rows, cols = place.grid
    size = (cols * tokens.patch_width, rows * tokens.patch_height)
    (left, top), (right, bottom) = place.at(0, 0), place.at(cols, rows)
    inside = (max(left, 0.0), max(top, 0.0), min(right, place.image_size[0]), min(bottom, place.image_size[1]))
    canvas = Image.new("RGB", size, tuple(model.input.padding_color) or (0, 0, 0))
    across, down = size[0] / (right - left), size[1] / (bottom - top)
    x0, y0, x1, y1 = (
        round((inside[0] - left) * across), round((inside[1] - top) * down),
        round((inside[2] - left) * across), round((inside[3] - top) * down),
    )  # fmt: skip
    if x1 > x0 and y1 > y0:
        shrunk = [have / full for have, full in zip(image.size, place.image_size, strict=True)]
        box = (inside[0] * shrunk[0], inside[1] * shrunk[1], inside[2] * shrunk[0], inside[3] * shrunk[1])
        box = (box[0], box[1], min(box[2], image.width), min(box[3], image.height))
        how = _FILTERS.get(model.input.interpolation, Image.Resampling.BILINEAR)
        canvas.paste(image.resize((x1 - x0, y1 - y0), how, box=box), (x0, y0))
    return canvas


def exploded(
    pixels: Image.Image, grid: tuple[int, int], width: float, chosen: tuple[int, int] | None = None
) -> Drawing:
    """Draw the patches with gaps between them. Pixels stay squares."""
    values = np.asarray(pixels)
    height, across = values.shape[0] // grid[0], values.shape[1] // grid[1]
    times = max(1, int(width * _DETAIL / grid[1] * 0.84 // across))
    gap = max(3, round(across * times * 0.16))
    step = (height * times + gap, across * times + gap)
    canvas = np.full((grid[0] * step[0] - gap, grid[1] * step[1] - gap, 3), 255, np.uint8)
    for at in range(grid[0]):
        for col in range(grid[1]):
            patch = values[at * height : (at + 1) * height, col * across : (col + 1) * across]
            top, left = at * step[0], col * step[1]
            canvas[top : top + height * times, left : left + across * times] = patch.repeat(times, 0).repeat(times, 1)
    size = (canvas.shape[1] / _DETAIL, canvas.shape[0] / _DETAIL)
    items: list[Raster | Rect] = [Raster(0, 0, *size, Image.fromarray(canvas), smooth=False)]
    if chosen:
        items.append(
            Rect(
                chosen[1] * step[1] / _DETAIL, chosen[0] * step[0] / _DETAIL, across * times / _DETAIL,
                height * times / _DETAIL, stroke=MARK, thickness=2,
            )
        )  # fmt: skip
    return Drawing(*size, tuple(items))


def _one(pixels: Image.Image, grid: tuple[int, int], at: tuple[int, int], width: float = 180.0) -> Drawing:
    across, down = pixels.width // grid[1], pixels.height // grid[0]
    patch = pixels.crop((at[1] * across, at[0] * down, (at[1] + 1) * across, (at[0] + 1) * down))
    height = width * down / across
    return Drawing(width, height, (Raster(0, 0, width, height, patch, smooth=False),
                                   Rect(0, 0, width, height, stroke=LINE)))  # fmt: skip


def _sequence(pixels: Image.Image, grid: tuple[int, int], model: Model) -> Drawing:
    """Draw the prefix tokens as boxes, the first patches, and the last one."""
    tokens, total = model.tokens, grid[0] * grid[1]
    prefix = ["class token"] * tokens.cls_tokens + ["distillation"] * tokens.distillation_tokens
    prefix += [f"register {number}" for number in range(min(tokens.register_tokens, 8))]
    parts = [_box(name, at) for at, name in enumerate(prefix)]
    before = tokens.cls_tokens + tokens.distillation_tokens + tokens.register_tokens
    shown = [*range(min(_SHOWN, total)), *([total - 1] if total > _SHOWN else [])]
    for number in shown:
        if number == total - 1 and total > _SHOWN + 1:
            parts.append(Drawing(16, _THUMB, (Text(8, _THUMB / 2 + 4, "…", 16, "middle", colour=MUTED),)))
        one = _one(pixels, grid, divmod(number, grid[1]), _THUMB)
        label = Text(_THUMB / 2, one.height + SMALL + 3, str(before + number), SMALL, "middle", colour=MUTED)
        parts.append(Drawing(_THUMB, one.height + SMALL * 1.6, (*one.items, label)))
    return row(*parts, gap=8)


def _box(name: str, number: int) -> Drawing:
    words = name.split()
    first = _THUMB / 2 + 4 - (len(words) - 1) * SMALL * 0.6
    lines = [Text(31, first + at * SMALL * 1.2, word, SMALL, "middle", colour=INK) for at, word in enumerate(words)]
    label = Text(31, _THUMB + SMALL + 3, str(number), SMALL, "middle", colour=MUTED)
    return Drawing(62, _THUMB + SMALL * 1.6, (Rect(0, 0, 62, _THUMB, "#eef2f7", LINE), *lines, label))


def _fitted(model: Model) -> str:
    """Say how the photo became the model's input."""
    into = f"{model.input.width} × {model.input.height}"
    to = model.input.resize_to
    match model.input.resize_mode:
        case "squash":
            return f"scaled to {into} without regard to its shape"
        case "shortest_edge":
            return f"its shorter side scaled to {to[0]}, then cropped to {into} at the centre"
        case "letterbox":
            return f"scaled as a whole to fit {into}, with padding around"
    return f"cropped or padded to {into} as it is"
