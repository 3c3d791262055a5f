"""The picture of an attention matrix: each value in its cell, and what is written around it."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitscope.client.internals.result import Explained, TokenLayout
from vitscope.client.pictures.matrices import draw_matrix
from vitscope.client.result import Class, Geometry, Timing
from vitscope.drawing import Drawing, Line, Raster, Rect, Text, sequential
from vitscope.v1 import explain_pb2

PHOTO = Image.new("RGB", (90, 60), "grey")


def explained(cls: int = 1, registers: int = 0, rows: int = 4, cols: int = 6) -> Explained:
    """Return two heads of layer 3, random, for a photo of 90 x 60 pixels that is seen as a whole."""
    count = cls + registers + rows * cols
    scores = np.random.default_rng(0).random((1, 2, count, count)).astype(np.float32)
    nothing: dict[str, Any] = dict.fromkeys(
        ("rows", "columns", "queries", "keys", "values", "token_norms", "lens", "rollout", "updates")
    )
    to_image = np.array([[90 / cols, 0, 0], [0, 60 / rows, 0]])
    return Explained(
        classes=(Class(0, "ankle boot", 0.9, 3.0),),
        geometry=Geometry((90, 60), (96, 64), to_image, (0, 0, 90, 60), 1),
        tokens=TokenLayout(count, cls, 0, registers, rows, cols), timing=Timing(0, {}, 1, "e/f32"), model="m",
        version=2, layers=(3,), heads=(0, 5), chosen=(), lens_classes=(),
        matrices=scores / scores.sum(-1, keepdims=True), header=explain_pb2.ExplainHeader(), **nothing,
    )  # fmt: skip


def texts(drawing: Drawing) -> list[str]:
    return [item.text for item in drawing.items if isinstance(item, Text)]


def rasters(drawing: Drawing) -> list[Raster]:
    return [item for item in drawing.items if isinstance(item, Raster)]


@pytest.mark.parametrize(("head", "which"), [(5, "head 5"), (None, "mean of 2 heads")])
def test_each_value_has_the_colour_of_the_scale(head: int | None, which: str) -> None:
    one = explained()
    assert one.matrices is not None
    drawn = draw_matrix(one, 3, head, "photo.jpg", None, PHOTO)
    matrix = one.at(3, 5) if head else one.matrices[0].mean(axis=0)
    scale = sequential(matrix, "", percent=True)
    np.testing.assert_array_equal(np.asarray(rasters(drawn)[0].image), scale.colour(matrix))
    assert f"Attention matrix of layer 3, {which}" in texts(drawn)
    assert {"0%", "share of a token's attention", "class", "from"} <= set(texts(drawn))


def test_axes_name_patches_and_the_prefix_is_ruled_off() -> None:
    drawn = draw_matrix(explained(registers=4), 3, 0, "photo.jpg", None, PHOTO)
    # Those of the rows of patches, on both axes: the first patch of each row, at its place.
    assert [text for text in texts(drawn) if "," in text and text[0].isdigit() and len(text) == 3] == [
        "0,0", "0,0", "1,0", "1,0", "2,0", "2,0", "3,0", "3,0",
    ]  # fmt: skip
    (heat,) = [one for one in rasters(drawn) if one.image.size == (29, 29)]
    rules = [item for item in drawn.items if isinstance(item, Line) and item.colour == "#ffffff"]
    places = {((rule.x1 - heat.x) / heat.width, (rule.y1 - heat.y) / heat.height) for rule in rules}
    assert sorted(places) == [pytest.approx((0, 5 / 29)), pytest.approx((5 / 29, 0))]
    assert any("4 registers" in text for text in texts(drawn))


def test_a_patch_is_marked_and_drawn_over_the_photo() -> None:
    one = explained()
    drawn = draw_matrix(one, 3, 0, "photo.jpg", (2, 1), PHOTO)
    assert {"What patch 2,1 attends to", "Who attends to patch 2,1"} <= set(texts(drawn))
    heat = rasters(drawn)[0]
    cell, index = heat.width / 25, one.tokens.index(2, 1)
    marks = [item for item in drawn.items if isinstance(item, Rect) and item.stroke == "#e11d48"]
    assert any(rect.y == pytest.approx(heat.y + index * cell - 1) and rect.width == heat.width for rect in marks)
    assert any(rect.x == pytest.approx(heat.x + index * cell - 1) and rect.height == heat.height for rect in marks)
    share = float(one.at(3, 0)[index, 0])
    assert f"{share:.1%} of it is on the class token before the patches." in texts(drawn)


def test_a_model_without_tokens_before_the_patches_has_no_rules_and_no_such_note() -> None:
    drawn = draw_matrix(explained(cls=0), 3, 0, "photo.jpg", (0, 0), PHOTO)
    assert not [item for item in drawn.items if isinstance(item, Line) and item.colour == "#ffffff"]
    assert "class" not in texts(drawn) and "0,0" in texts(drawn)
    assert "Every row sums to 100%." in texts(drawn)
