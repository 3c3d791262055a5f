"""Pictures show each value where the model saw it."""

import dataclasses
import io
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.server.images.samples import DEIT, DINOV2, TOKENS, VIT, difference, encoded, photos
from tests.server.maps.samples import attention_map, one_hot
from vitscope.server.errors import InvalidRequest
from vitscope.server.images.geometry import Geometry
from vitscope.server.images.limits import ImageLimits
from vitscope.server.images.prepare import Prepared, prepare_encoded
from vitscope.server.maps.evidence import Evidence, ExplainedClass, Ledger, Shares
from vitscope.server.maps.map import Map
from vitscope.server.maps.render import Canvas, Rendered, render
from vitscope.server.maps.rendering import RenderingSpec

CELLS = RenderingSpec(color_map="grey", opacity=1.0, upsampling="nearest")


def _prepared(size: tuple[int, int], contract: Any) -> Prepared:
    photo = photos()["astronaut.png"].resize(size)
    return prepare_encoded(encoded(photo, "PNG"), contract, TOKENS, ImageLimits(), keep_photo=True)


def _picture(rendered: Rendered) -> np.ndarray:
    image = Image.open(io.BytesIO(rendered.data))
    assert Image.MIME[str(image.format)] == rendered.media_type
    assert image.size == (rendered.width, rendered.height)
    return np.asarray(image.convert("RGB")).astype(int)


def _drawn(attention: Map, prepared: Prepared, **changes: Any) -> np.ndarray:
    return _picture(render(attention, dataclasses.replace(CELLS, **changes), prepared.geometry, prepared.photo))


def _box(geometry: Geometry, row: int, column: int, scale: float) -> tuple[float, float, float, float]:
    m = geometry.grid_to_image
    return tuple(
        scale * v
        for v in (m[0] * column + m[2], m[4] * row + m[5], m[0] * (column + 1) + m[2], m[4] * (row + 1) + m[5])
    )  # type: ignore[return-value]


@pytest.mark.parametrize("contract", [VIT, DEIT, DINOV2], ids=["squash", "squash+crop", "crop"])
@pytest.mark.parametrize("size", [(701, 467), (333, 901), (97, 131)])
@pytest.mark.parametrize("cell", [(0, 0), (4, 9), (13, 13)])
def test_a_single_patch_lights_up_its_own_part_of_the_photo(
    contract: Any, size: tuple[int, int], cell: tuple[int, int]
) -> None:
    prepared = _prepared(size, contract)
    picture = _drawn(one_hot(*cell), prepared)
    rows, columns = np.nonzero((picture == 255).all(axis=2))
    x0, y0, x1, y1 = _box(prepared.geometry, *cell, picture.shape[1] / size[0])
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert found == pytest.approx((x0, y0, x1, y1), abs=1.01)


def test_what_was_not_seen_is_grey_and_the_rest_is_not() -> None:
    prepared = _prepared((900, 600), DINOV2)
    picture = _drawn(one_hot(7, 7), prepared, color_map="viridis", opacity=0.5)
    x0, y0, x1, y1 = prepared.geometry.seen
    seen = np.zeros(picture.shape[:2], bool)
    seen[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)] = True
    colourful = np.ptp(picture, axis=2) > 0
    assert 0.3 < seen.mean() < 0.6
    assert not colourful[~seen].any()
    assert colourful[seen].mean() > 0.9
    assert prepared.photo is not None
    grey = np.asarray(prepared.photo.convert("L")).astype(int)
    assert np.abs(picture[..., 0] - (grey + 128) / 2)[~seen].max() <= 1


def test_opacity_weighs_the_map_against_the_photo() -> None:
    prepared = _prepared((400, 300), VIT)
    photo = np.asarray(prepared.photo).astype(int)
    picture = _drawn(one_hot(0, 0), prepared, opacity=0.25)
    far = np.s_[150:, 200:]
    assert np.abs(picture[far] - 0.75 * photo[far]).max() <= 1.5


@pytest.mark.parametrize("contract", [VIT, DINOV2], ids=["squash", "crop"])
def test_bilinear_is_exact_between_the_centres_of_the_cells(contract: Any) -> None:
    prepared = _prepared((701, 467), contract)
    ramp = attention_map(np.add.outer(np.arange(14), 2 * np.arange(14)))  # linear, so interpolating keeps it
    picture = _drawn(ramp, prepared, upsampling="bilinear", size=701)
    m = prepared.geometry.grid_to_image
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    column, row = (x - m[2]) / m[0], (y - m[5]) / m[4]
    inside = (column >= 0.5) & (column <= 13.5) & (row >= 0.5) & (row <= 13.5)
    expected = ((row - 0.5) + 2 * (column - 0.5)) / 39 * 255
    assert np.abs(picture[..., 0] - expected)[inside].max() <= 1
    assert inside.mean() > 0.3


def test_bilinear_invents_no_values() -> None:
    prepared = _prepared((400, 300), VIT)
    checkers = np.indices((14, 14)).sum(axis=0) % 2 * 0.5 + 0.25
    checkers[0, 0], checkers[0, 1] = 0, 1
    picture = _drawn(attention_map(checkers), prepared, upsampling="bilinear")
    lower = picture[100:, :, 0]
    assert lower.min() >= 63
    assert lower.max() <= 192


@pytest.mark.parametrize(
    ("photo", "asked", "drawn"),
    [
        ((28, 28), None, (224, 224)),
        ((100, 50), None, (224, 112)),
        ((701, 467), None, (701, 467)),
        ((1500, 3000), None, (512, 1024)),
        ((701, 467), 32, (32, 21)),
        ((1500, 3000), 2048, (1024, 2048)),
        ((1000, 1), None, (1000, 1)),
    ],
)
@pytest.mark.parametrize("upsampling", ["bilinear", "nearest"])
def test_sizes(photo: tuple[int, int], asked: int | None, drawn: tuple[int, int], upsampling: str) -> None:
    picture = _drawn(one_hot(3, 3), _prepared(photo, VIT), size=asked, upsampling=upsampling)
    assert (picture.shape[1], picture.shape[0]) == drawn


def test_pictures_of_the_photos_own_size_share_the_pixels_of_a_reply() -> None:
    shared = RenderingSpec().shared_by(18)
    for size in ((28, 28), (900, 900), (1024, 900)):  # 18 squares of 1024 are too many
        prepared = _prepared(size, VIT)
        assert render(one_hot(3, 3), shared, prepared.geometry, prepared.photo).width >= 224
    large = _prepared((1024, 1024), VIT)
    with pytest.raises(InvalidRequest, match=r"18 pictures of up to 1024x1024 pixels.*size 965 for 18") as refused:
        render(one_hot(3, 3), shared, large.geometry, large.photo)
    assert refused.value.field == "size"


def test_a_heat_map_alone_has_the_aspect_of_the_input_and_needs_no_photo() -> None:
    geometry = _prepared((900, 600), DINOV2).geometry
    picture = _picture(render(one_hot(2, 5), dataclasses.replace(CELLS, kind="heat_map", size=448), geometry, None))
    assert picture.shape == (448, 448, 3)
    assert (picture[64:96, 160:192] == 255).all()
    assert picture.sum() == 32 * 32 * 255 * 3


def test_a_remainder_that_no_patch_covers_is_grey() -> None:
    geometry = dataclasses.replace(_prepared((230, 230), VIT).geometry, model_width=230, model_height=230)
    picture = _picture(render(one_hot(0, 0), dataclasses.replace(CELLS, kind="heat_map", size=230), geometry, None))
    assert (picture[224:] == 128).all()
    assert (picture[:, 224:] == 128).all()
    assert (picture[16:224, 16:224] == 0).all()


@pytest.mark.parametrize("kind", ["overlay", "heat_map"])
@pytest.mark.parametrize("upsampling", ["bilinear", "nearest"])
def test_a_constant_map_is_drawn_in_the_lowest_colour(kind: Any, upsampling: Any) -> None:
    prepared = _prepared((224, 224), VIT)
    flat = attention_map(np.full((14, 14), 1 / 196))
    rendered = render(
        flat, RenderingSpec(kind=kind, opacity=1.0, upsampling=upsampling), prepared.geometry, prepared.photo
    )
    assert (_picture(rendered) == (68, 1, 84)).all()
    assert rendered.value_min == rendered.value_max == pytest.approx(1 / 196)


def test_colours_span_the_maps_own_values() -> None:
    prepared = _prepared((224, 224), VIT)
    faint = attention_map(np.linspace(0.001, 0.002, 196).reshape(14, 14))
    rendered = render(faint, dataclasses.replace(CELLS, kind="heat_map"), prepared.geometry, None)
    picture = _picture(rendered)
    assert (picture.min(), picture.max()) == (0, 255)
    assert (rendered.value_min, rendered.value_max) == (pytest.approx(0.001), pytest.approx(0.002))


def test_jpeg_shows_the_same_picture_in_fewer_bytes() -> None:
    prepared = _prepared((701, 467), VIT)
    spec = RenderingSpec(size=512)
    png = render(one_hot(6, 6), spec, prepared.geometry, prepared.photo)
    jpeg = render(one_hot(6, 6), dataclasses.replace(spec, format="jpeg"), prepared.geometry, prepared.photo)
    assert jpeg.media_type == "image/jpeg"
    assert len(jpeg.data) < len(png.data) / 2
    assert difference(_picture(png), _picture(jpeg)) < 4


def test_an_overlay_without_a_photo_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="photo"):
        render(one_hot(0, 0), RenderingSpec(), _prepared((224, 224), VIT).geometry, None)


def test_maps_on_one_canvas_look_as_on_canvases_of_their_own() -> None:
    prepared = _prepared((333, 251), DINOV2)
    canvas = Canvas(CELLS, prepared.geometry, prepared.photo)
    for cell in ((0, 0), (4, 9), (13, 13)):
        alone = render(one_hot(*cell), CELLS, prepared.geometry, prepared.photo)
        assert canvas.draw(one_hot(*cell)) == alone
    assert canvas.size == (333, 251)


def test_evidence_is_drawn_around_zero_unless_colours_are_asked_for() -> None:
    values = np.array([[-0.5, 0.0], [0.25, 1.0]], np.float32)
    ledger = Ledger.partial(1.0, 0.75)
    evidence = Evidence(
        ExplainedClass(1, "b"), None, "logit", "direct", ledger, "output", Shares(1.0, None, None), None
    )
    signed = Map.of("evidence", 5, -1, values, evidence=evidence)
    prepared = _prepared((64, 64), VIT)
    for colours, low in ((None, -1.0), ("blue_orange", -1.0), ("viridis", -0.5)):
        spec = RenderingSpec("heat_map", colours, size=64, upsampling="nearest")  # type: ignore[arg-type]
        rendered = render(signed, spec, prepared.geometry, None)
        assert (rendered.value_min, rendered.value_max) == (low, 1.0)
