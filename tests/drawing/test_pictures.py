"""Whole pictures, painted and written."""

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from vitscope.drawing import (
    Drawing,
    Place,
    Scale,
    caption,
    colour_bar,
    column,
    diverging,
    heat_map,
    ledger,
    overlay,
    paint,
    photo,
    row,
    save,
    sequential,
    sheet,
    titled,
    write,
)

SVG = "{http://www.w3.org/2000/svg}"
VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)


def texts(drawing: Drawing) -> list[str]:
    return ["".join(one.itertext()) for one in ElementTree.fromstring(write(drawing)).iter(f"{SVG}text")]


def test_each_cell_of_a_heat_map_has_the_colour_of_its_value() -> None:
    scale = Scale(0, 11)
    painted = np.asarray(paint(heat_map(VALUES, scale, 80)))
    assert painted.shape == (120, 160, 3)
    for at, value in np.ndenumerate(VALUES):
        assert tuple(painted[at[0] * 40 + 20, at[1] * 40 + 20]) == tuple(scale.colour(np.array(value)))


def test_cells_keep_the_shape_of_their_patches() -> None:
    assert heat_map(VALUES, Scale(0, 11), 80, aspect=2).height == 30


def test_an_svg_has_the_same_pixels_and_text_as_text() -> None:
    drawing = heat_map(VALUES, Scale(0, 11), 80)
    (image,) = ElementTree.fromstring(write(drawing)).iter(f"{SVG}image")
    data = image.get("{http://www.w3.org/1999/xlink}href", "").removeprefix("data:image/png;base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as embedded:
        cells = np.asarray(embedded.convert("RGB"))[20::40, 20::40]
    assert (cells == Scale(0, 11).colour(VALUES)).all()
    assert texts(titled("<a> & b", drawing)) == ["<a> & b"]


def test_a_colour_bar_has_numbers_and_the_unit() -> None:
    assert texts(colour_bar(diverging(VALUES, "log-odds"), 200)) == ["−11", "11", "0", "log-odds"]
    assert texts(colour_bar(sequential(VALUES * 0, "share"), 200)) == ["0", "share"]
    # Where there is no room for the middle, the ends stay.
    assert texts(colour_bar(Scale(0.111, 0.333), 70)) == ["0.111", "0.333"]


def test_bars_of_a_ledger_meet() -> None:
    drawing = ledger([("base", -2), ("patches", 3), ("registers", -0.5)], ("logit", 0.5), 500)
    bars = [item for item in drawing.items if type(item).__name__ == "Rect"]
    ends = {"base": (bars[0].x, bars[0].x + bars[0].width), "patches": (bars[1].x, bars[1].x + bars[1].width)}
    assert ends["base"][0] == ends["patches"][0]
    assert bars[3].x + bars[3].width == pytest.approx(bars[2].x)  # the total ends where the parts have
    assert texts(drawing) == ["base", "−2.00", "patches", "+3.00", "registers", "−0.50", "logit", "+0.50", "0"]


def test_a_ledger_that_does_not_add_up_says_so() -> None:
    assert "not explained" in texts(ledger([("base", 1), ("patches", 1)], ("logit", 2.5), 400))
    assert "not explained" not in texts(ledger([("base", 1), ("patches", 1)], ("logit", 2.0001), 400))


def test_long_titles_are_cut_and_long_texts_broken() -> None:
    drawing = sheet(titled("x" * 300, heat_map(VALUES, Scale(0, 11), 100)), "title " * 60, "sub " * 60, "foot " * 90)
    assert drawing.width < 320
    assert all(len(text) < 60 for text in texts(drawing))
    assert len(texts(caption("one two three", 30))) == 3


@pytest.mark.parametrize("text", ["Ärztin – 97 %", "斯尼克", "a\x00b\nc", "", "\U0010ffff", "é" * 200])
def test_any_label_can_be_drawn(text: str, tmp_path: Path) -> None:
    drawing = sheet(titled(text, heat_map(VALUES, Scale(0, 11), 100), text), text, text, text)
    save(drawing, tmp_path / "a.png")
    save(drawing, tmp_path / "a.SVG")
    ElementTree.parse(tmp_path / "a.SVG")


def test_the_format_goes_by_the_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape("PNG or SVG files; accepted: a name ending in .png or .svg")):
        save(Drawing(1, 1), tmp_path / "a.jpg")


def test_rows_and_columns_keep_their_distances() -> None:
    one, two = Drawing(10, 20), Drawing(30, 5)
    assert (row(one, two, gap=2).width, row(one, two, gap=2).height) == (42, 20)
    assert (column(one, two, gap=2).width, column(one, two, gap=2).height) == (30, 27)
    assert (row().width, column().height) == (0, 0)


def test_what_the_model_did_not_see_is_grey() -> None:
    place = Place((40, 20), np.array([[5.0, 0, 10], [0, 5, 0]]), (4, 4), (10, 0, 30, 20))
    image = Image.new("RGB", (40, 20), (255, 0, 0))
    painted = np.asarray(paint(photo(image, place, 40)))
    assert tuple(painted[20, 40]) == (255, 0, 0)
    assert len(set(painted[20, 8].tolist())) == 1
    laid = np.asarray(paint(overlay(image, np.ones((4, 4)), place, Scale(0, 1), 40, opacity=1)))
    assert tuple(laid[20, 22]) == tuple(laid[20, 58]) == tuple(Scale(0, 1).colour(np.array(1)))
    assert (laid[20, 16] == painted[20, 16]).all()
