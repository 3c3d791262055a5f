"""Contact sheets: photos, below each what the model looked at, and the answer."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from vitscope import Result

CAPTION, GAP = 26, 8


def contact_sheet(results: Sequence[tuple[Path, Result]], out: Path, columns: int, height: int) -> None:
    """Write a sheet with `columns` photos in a row, each `height` pixels high, and its overlay and answer below it.

    The results have one map each, with a picture.
    """
    cells = [(_photo(path, height), _overlay(result, height), result.classes[0]) for path, result in results]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    width = max(sum(photo.width + GAP for photo, *_ in row) for row in rows) - GAP
    each = 2 * height + GAP // 2 + CAPTION
    sheet = Image.new("RGB", (width, len(rows) * (each + GAP) - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        x, y = 0, number * (each + GAP)
        for photo, overlay, best in row:
            sheet.paste(photo, (x, y))
            sheet.paste(overlay, (x, y + height + GAP // 2))
            answer = f"{best.label} {best.probability:.1%}"
            draw.text((x + 3, y + each - CAPTION + 4), answer, fill="black", font_size=15)
            x += photo.width + GAP
    sheet.save(out, quality=88)


def _photo(path: Path, height: int) -> Image.Image:
    with Image.open(path) as file:
        photo = file.convert("RGB")
    # A photo smaller than its place is shown pixel by pixel.
    return _resized(photo, height, Image.Resampling.LANCZOS if photo.height >= height else Image.Resampling.NEAREST)


def _overlay(result: Result, height: int) -> Image.Image:
    picture = result.maps[0].picture
    assert picture is not None
    with Image.open(io.BytesIO(picture.data)) as file:
        return _resized(file.convert("RGB"), height, Image.Resampling.LANCZOS)


def _resized(image: Image.Image, height: int, how: Image.Resampling) -> Image.Image:
    return image.resize((round(image.width * height / image.height), height), how)
