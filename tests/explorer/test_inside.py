"""The panels of the inside of the encoder: each canvas read back against the numbers of gRPC's Explain."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.e2e.harness import RunningServer
from tests.explorer.browser import TWO_FRAMES, Opened, opened
from vitscope import Client, Explained
from vitscope.server.maps.colours import COLOURS

Panel = Callable[[str], Any]
MODEL, LAYER, HEAD = "registers", 1, 1
PARTS = ("matrices", "queries", "keys", "values", "token_norms", "lens", "rollout")


@pytest.fixture(scope="module")
def explained(server: RunningServer, photo: bytes) -> Explained:
    with Client(server.address, timeout=60) as client:
        return client.explain(photo, model=MODEL, parts=PARTS, fusion="max", discard=0.35, from_layer=1)


@pytest.fixture(scope="module")
def shown(server: RunningServer, chromium: Any, photo: bytes) -> Iterator[Opened]:
    """A page with a photo, maps without the photo below and each cell in one colour."""
    with opened(chromium, server.http, viewport={"width": 1200, "height": 900}) as found:
        found.page.set_default_timeout(10_000)
        found.ask(photo, MODEL)
        found.page.locator("#smooth").uncheck()
        found.page.locator("#opacity").fill("1")
        yield found


@pytest.fixture
def page(shown: Opened) -> Any:
    """The page with one layer and head selected, and no patch."""
    shown.page.mouse.move(0, 0)
    shown.page.locator("#layer").fill(str(LAYER))
    shown.page.select_option("#head", index=HEAD + 1)  # after the mean
    return shown.page


@pytest.fixture
def panel(page: Any, shown: Opened) -> Panel:
    return shown.panel


def pixels(canvas: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return what a canvas shows at some points, in CSS pixels, uint8 [points, 3]."""
    read = """(canvas, points) => {
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        const ratio = canvas.width / canvas.getBoundingClientRect().width;
        const at = ([x, y]) => 4 * (Math.floor(y * ratio) * canvas.width + Math.floor(x * ratio));
        return points.map((point) => [...data.slice(at(point), at(point) + 3)]);
    }"""
    points = np.stack(np.broadcast_arrays(x, y), -1).reshape(-1, 2).tolist()
    return np.array(canvas.evaluate(read, points), np.uint8)


def colours(values: np.ndarray, low: float, high: float, name: Any = "viridis") -> np.ndarray:
    levels = np.floor((values - low) / (high - low) * 255 + 0.5).clip(0, 255).astype(int)
    found: np.ndarray = COLOURS[name][levels].astype(int)
    return found


def check(drawn: np.ndarray, expected: np.ndarray, most: int = 6) -> None:
    """Compare colours; a level more or less in float16 is no matter."""
    assert np.abs(drawn.astype(int) - expected).max() <= most


def cells(canvas: Any, one: Explained) -> np.ndarray:
    """Return the colours in the middle of each patch of a map over the whole photo, [rows * cols, 3]."""
    m, (width, height) = np.ravel(one.geometry.grid_to_image), one.geometry.image_size
    row, col = np.divmod(np.arange(one.tokens.rows * one.tokens.cols), one.tokens.cols)
    box = canvas.bounding_box()
    x, y = m[0] * (col + 0.5) + m[2], m[4] * (row + 0.5) + m[5]
    return pixels(canvas, x / width * box["width"], y / height * box["height"])


def test_maps_of_a_patch_are_its_row_and_its_column(page: Any, panel: Panel, explained: Explained) -> None:
    found, one = panel("attention"), explained
    prefix, patch = one.tokens.prefix, 5
    box = found.locator("[role=grid]").first.bounding_box()
    row, col = divmod(patch, one.tokens.cols)
    x, y = (col + 0.5) / one.tokens.cols * box["width"], (row + 0.5) / one.tokens.rows * box["height"]
    found.locator("[role=grid]").first.hover(position={"x": x, "y": y})
    found.locator("h4", has_text=f"Where the patch at row {row + 1}, column {col + 1} attends to").wait_for()
    matrix = one.at(LAYER, HEAD)
    for canvas, values in ((0, matrix[prefix + patch, prefix:]), (1, matrix[prefix:, prefix + patch])):
        drawn = cells(found.locator(".stage canvas").nth(canvas), one)
        check(drawn, colours(values, 0, values.max()))
    # A click keeps it, Shift and a click add a second one, Escape lets go.
    found.locator("[role=grid]").first.click(position={"x": x, "y": y})
    page.mouse.move(0, 0)
    page.wait_for_url("**patch=6*")
    found.locator("[role=grid]").first.click(position={"x": 4, "y": 4}, modifiers=["Shift"])
    found.locator("h4", has_text="Who attends to the patch at row 1, column 1").wait_for()
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)
    found.locator("h4", has_text="Where the class token attends to").wait_for()


def test_the_matrix_is_drawn_and_read_by_pointer_and_keys(page: Any, panel: Panel, explained: Explained) -> None:
    found, count = panel("matrix"), explained.tokens.count
    found.locator("input[type=checkbox]").uncheck()
    matrix = explained.at(LAYER, HEAD)
    canvas = found.locator("canvas.matrix")
    page.evaluate(TWO_FRAMES)
    box = canvas.bounding_box()
    place = (np.arange(count) + 0.4) * box["width"] / count
    drawn = pixels(canvas, place[None], place[:, None]).reshape(count, count, 3)
    check(drawn, colours(matrix, 0, matrix.max()))
    query, key = explained.tokens.prefix + 3, 2
    at = {"x": (key + 0.5) / count * box["width"], "y": (query + 0.5) / count * box["height"]}
    canvas.hover(position=at)
    said = f"gives {matrix[query, key] * 100:.1f}" if matrix[query, key] > 0.1 else f"{matrix[query, key] * 100:.2f}"
    found.locator("p.text", has_text=said).filter(has_text="to register 2").wait_for()
    canvas.focus()
    page.keyboard.press("ArrowRight")
    found.locator("p.text", has_text="to register 3").wait_for()


def test_a_head_of_the_sheet_is_drawn_and_selected(page: Any, panel: Panel, explained: Explained) -> None:
    found, one = panel("heads"), explained
    found.locator("input[type=checkbox]").uncheck()
    page.evaluate(TWO_FRAMES)
    canvas = found.locator("canvas.sheet")
    box = canvas.bounding_box()
    layers, heads = len(one.layers), len(one.heads)
    width = min((box["width"] - 22) / heads, 84)
    tall = (width - 2) * one.tokens.rows / one.tokens.cols + 2
    row, col = np.divmod(np.arange(one.tokens.rows * one.tokens.cols), one.tokens.cols)
    for layer, head in np.ndindex(layers, heads):
        x = 22 + head * width + 1 + (col + 0.5) / one.tokens.cols * (width - 2)
        y = layer * tall + 1 + (row + 0.5) / one.tokens.rows * (tall - 2)
        values = one.at(layer, head)[0, one.tokens.prefix :]
        check(pixels(canvas, x, y), colours(values, 0, values.max()))
    canvas.click(position={"x": 22 + width / 2, "y": tall / 2})
    page.wait_for_function("() => document.getElementById('layer').value === '0'")
    assert page.input_value("#head") == "0"
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("c")
    found.locator("h4", has_text="layer 1, head 2, cosine").wait_for()
    matrix = one.at(0, 1)
    bits = -(matrix * np.log2(np.maximum(matrix, 1e-30))).sum(-1).mean()
    found.locator("p.text", has_text=f"({bits:.2f} bits)").wait_for()
    found.locator("select").select_option("entropies")
    found.locator("button", has_text="Stop comparing").click()
    found.locator("h4").first.wait_for(state="hidden")


def test_rollout_is_the_servers(page: Any, panel: Panel, explained: Explained) -> None:
    found = panel("rollout")
    found.locator("select").select_option("max")
    found.locator("input[type=range]").nth(0).fill("0.35")
    found.locator("input[type=range]").nth(1).fill("1")
    assert explained.rollout is not None
    values = explained.rollout[0, explained.tokens.prefix :]
    strongest = f"{values.max() * 100:.1f}" if values.max() > 0.1 else f"{values.max() * 100:.2f}"
    found.locator("p.text", has_text=f"{strongest}\u00a0% on the strongest").wait_for()
    check(cells(found.locator(".stage canvas").nth(0), explained), colours(values, 0, values.max()))
    raw = explained.matrices[-1].mean(0)[0, explained.tokens.prefix :] if explained.matrices is not None else values
    less = values - raw
    drawn = cells(found.locator(".stage canvas").nth(2), explained)
    check(drawn, colours(less, -np.abs(less).max(), np.abs(less).max(), "blue_orange"), 12)


def test_one_step_of_attention_has_the_real_numbers(page: Any, panel: Panel, explained: Explained) -> None:
    found, one = panel("step"), explained
    queries, keys, values = (one.at(LAYER, HEAD, part) for part in ("queries", "keys", "values"))
    weights = one.at(LAYER, HEAD)[0]
    key, width = int(weights.argmax()), queries.shape[1]
    dot = float(queries[0] @ keys[key])
    text = found.inner_text().replace("\u2212", "-")
    assert abs(float(re.findall(r"add up to (-?[\d.]+)\.", text)[0]) - dot) < 5e-3
    assert abs(float(re.findall(r"a score of (-?[\d.]+)\.", text)[0]) - dot / width**0.5) < 5e-3
    assert "number 1; all together are 100" in text
    length = float(np.linalg.norm(weights @ values))
    assert abs(float(re.findall(r"of length ([\d.]+),", text)[0]) - length) < 0.01 * length
    # The vectors, from blue to orange.
    vectors = found.locator("canvas.vectors")
    limit = max(np.abs(queries[0]).max(), np.abs(keys[key]).max())
    room = vectors.bounding_box()["width"] - 64 - 84
    x = 64 + (np.arange(width) + 0.4) * room / width
    for row, vector in enumerate((queries[0], keys[key])):
        check(pixels(vectors, x, np.array(11 + 26 * row)), colours(vector, -limit, limit, "blue_orange"))
    # Each step lights up its part of the formula.
    found.locator("button", has_text="Next").click()
    found.locator("button", has_text="Next").click()
    found.locator("button[data-part=softmax][aria-pressed=true]").wait_for()
    found.locator("canvas.weights").focus()
    page.keyboard.press("ArrowRight")
    found.locator("p.text", has_text="is read").wait_for()


def test_each_block_has_its_figures(page: Any, panel: Panel, explained: Explained) -> None:
    found, one = panel("encoder"), explained
    assert one.token_norms is not None and one.lens is not None and one.matrices is not None
    rows = found.locator("table.blocks tbody tr")
    assert rows.count() == len(one.layers) + 1
    prefix, labels = one.tokens.prefix, {each.index: each.label for each in one.classes}
    for state in range(rows.count()):
        norms = one.token_norms[state, prefix:]
        canvas = rows.nth(state).locator("td.norm canvas")
        side = canvas.bounding_box()["width"] / one.tokens.cols
        row, col = np.divmod(np.arange(norms.size), one.tokens.cols)
        check(pixels(canvas, (col + 0.5) * side, (row + 0.5) * side), colours(norms / np.median(norms), 0, 3))
        best = one.lens[state, 0].argmax()
        assert labels[one.lens_classes[best]] in rows.nth(state).locator("td.lens").inner_text()
    for layer in one.layers:
        matrix = one.at(layer, HEAD)
        bits = -(matrix * np.log2(np.maximum(matrix, 1e-30))).sum(-1).mean()
        shown = rows.nth(layer + 1).inner_text()
        assert abs(float(re.findall(r"([\d.]+) bits", shown)[0]) - bits) < 0.02
    rows.nth(1).locator("button").click()
    page.wait_for_function("() => document.getElementById('layer').value === '0'")
    found.locator("button", has_text="Play").click()
    page.wait_for_function("() => document.getElementById('layer').value === '1'")
    found.locator("button", has_text="Pause").click()


def test_the_token_line_has_the_special_tokens_in_front(page: Any, panel: Panel, explained: Explained) -> None:
    found, one = panel("tokens"), explained
    assert one.token_norms is not None
    norms = one.token_norms[0]
    canvas = found.locator("canvas.norms")
    box = canvas.bounding_box()
    x = (np.arange(norms.size) + 0.4) / norms.size * box["width"]
    top = box["height"] - 4 - norms / norms.max() * (box["height"] - 18)
    assert pixels(canvas, x, top + 2).any(axis=-1).all()
    middle = np.abs(norms - np.median(norms[one.tokens.prefix :])) < 0.1 * norms.max()  # the dashed line is near
    drawn = pixels(canvas, x, top - 3)[~middle]
    assert not drawn.any()
    text = found.locator("p.text").inner_text()
    assert text.startswith(f"The class token, number 1 of {one.tokens.count}: length {norms[0]:.3g}")
    canvas.focus()
    for name in ("Register 1", "Register 2", "Register 3", "Register 4", "The patch at row 1, column 1"):
        page.keyboard.press("ArrowRight")
        found.locator("p.text", has_text=f"{name}, number ").wait_for()
    for _ in range(one.tokens.prefix):
        page.keyboard.press("ArrowLeft")
    found.locator("p.text", has_text="The class token, number 1").wait_for()
