"""What panels draw, read back from their canvases, is what the server answered and what the bundle has."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.e2e.harness import RunningServer
from tests.explorer.browser import opened
from tests.http1 import Socket
from vitscope.bundle import open_bundle
from vitscope.server.maps.colours import COLOURS


def answer(server: RunningServer, data: bytes, query: str) -> Any:
    with Socket(server.http) as client:
        return client.request("POST", f"/api/v1/classify?values=lists&{query}", data, Content_Type="image/jpeg").json


def check_colours(found: Any, canvas: str, geometry: Any, values: np.ndarray, limits: Any, name: Any) -> None:
    """Check the colour in the middle of each patch of a map over the whole photo."""
    m, size = geometry["grid_to_image"], (geometry["image_width"], geometry["image_height"])
    low, high = limits
    levels = np.floor((values - low) / (high - low) * 255 + 0.5).astype(int)
    for row, col in np.ndindex(values.shape):
        x, y = (m[0] * (col + 0.5) + m[2]) / size[0], (m[4] * (row + 0.5) + m[5]) / size[1]
        if 0 <= x < 1 and 0 <= y < 1:
            drawn = np.array(found.pixel(canvas, x, y), int)
            assert np.abs(drawn - COLOURS[name][levels[row, col]]).max() <= 2, (row, col)


def as_they_are(found: Any) -> None:
    """Show maps without the photo below, and each cell in one colour."""
    found.page.locator("#smooth").uncheck()
    found.page.locator("#opacity").fill("1")


def test_attention_is_what_the_server_answered(server: RunningServer, chromium: Any, photo: bytes) -> None:
    """Of a grid of 3 x 5, in which rows and columns cannot be taken for one another."""
    expected = answer(server, photo, "model=wide&maps.all_layers=true&maps.all_heads=true")
    (shown,) = [each for each in expected["maps"] if (each["layer"], each["head"]) == (0, 1)]
    values = np.array(shown["values"])
    assert values.shape == (3, 5)
    with opened(chromium, server.http) as found:
        found.ask(photo, "wide")
        as_they_are(found)
        found.page.locator("#layer").fill("0")
        found.page.select_option("#head", index=2)
        found.page.wait_for_url("**layer=1&head=2*")
        limits = (values.min(), values.max())
        check_colours(found, "#overview canvas", expected["geometry"], values, limits, "viridis")
        best = int(values.argmax())
        cell = found.page.locator("#overview [role=gridcell]").nth(best)
        cell.focus()
        found.page.keyboard.press("Enter")
        assert f"row {best // 5 + 1}, column {best % 5 + 1}, attention " in cell.get_attribute("aria-label")
        assert cell.get_attribute("aria-label").endswith("rank 1 of 15")


def test_evidence_adds_up_and_is_compared_exactly(server: RunningServer, chromium: Any, photo: bytes) -> None:
    expected = answer(server, photo, "model=wide&maps.method=evidence&maps.top_classes=2")
    one, two = (np.array(each["values"]) for each in expected["maps"])
    labels = [each["label"] for each in expected["classes"]]
    with opened(chromium, server.http) as found:
        found.ask(photo, "wide")
        as_they_are(found)
        panel = found.panel("evidence")
        panel.locator("h4", has_text=f"Why {labels[0]}").wait_for()
        most = np.abs(one).max()
        check_colours(found, "#evidence .stage canvas", expected["geometry"], one, (-most, most), "blue_orange")
        panel.locator("summary", has_text="The sum as a table").click()
        sums = [float(text.replace("\u2212", "-")) for text in panel.locator("details td").all_inner_texts() if text]
        assert abs(sum(sums[:-1]) - sums[-1]) < 0.02 * max(map(abs, sums))
        assert abs(sums[-1] - expected["maps"][0]["evidence"]["ledger"]["target"]) < 0.01 * abs(sums[-1]) + 1e-6
        panel.locator("select").select_option(label=labels[1])
        panel.locator("h4", has_text=f"Why {labels[0]} rather than {labels[1]}").wait_for()
        most = np.abs(one - two).max()
        check_colours(found, "#evidence .stage canvas", expected["geometry"], one - two, (-most, most), "blue_orange")
        panel.locator(".chosen button").nth(2).click()
        panel.locator("h4", has_text=f"Why {expected['classes'][2]['label']} rather than").wait_for()


def test_prediction_has_logits_and_probabilities(server: RunningServer, chromium: Any, photo: bytes) -> None:
    expected = answer(server, photo, "model=registers&top_k=10")
    with opened(chromium, server.http) as found:
        found.ask(photo, "registers")
        rows = found.panel("prediction").locator("tbody tr")
        assert rows.count() == len(expected["classes"]) == 5
        for row, each in zip(rows.all(), expected["classes"], strict=True):
            cells = ("th", "td:nth-child(3)", "td")
            label, probability, logit = (row.locator(cell).last.inner_text() for cell in cells)
            assert label == each["label"]
            assert abs(float(probability.split()[0]) - 100 * each["probability"]) < 0.06
            assert abs(float(logit.replace("\u2212", "-")) - each["logit"]) < 0.006


def test_the_embedding_is_that_of_the_bundle(server: RunningServer, chromium: Any, explored: Path) -> None:
    """A photo of the model's own size, so that its pixels are known to the last digit, and one that is resized."""
    embedding = open_bundle(explored / "fashion" / "1").embedding()
    small = np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).save(file, "PNG")
    with opened(chromium, server.http, "/#patch=10") as found:
        found.ask(file.getvalue(), "fashion")
        panel = found.panel("embedding")
        panel.locator(".text", has_text="The selected patch: row 2, column 3.").wait_for()
        token = embedding.embed(small, 1, 2)
        for number in (1, 77):
            panel.locator("input[type=range]").fill(str(number))
            panel.locator(".formula", has_text=f"token[{number}]").wait_for()
            said = panel.locator(".formula").inner_text().split()[-1].replace("\u2212", "-")
            assert abs(float(said) - token[number - 1]) < 0.01 * abs(token[number - 1]) + 1e-5
        most = np.abs(token).max()
        levels = np.floor((token + most) / (2 * most) * 255 + 0.5).astype(int)
        drawn = np.array([found.pixel("#embedding .strip", (at + 0.5) / 128, 0.5) for at in range(0, 128, 9)], int)
        assert np.abs(drawn - COLOURS["blue_orange"][levels[::9]]).max() <= 2
        found.panel("tokens")
        found.panel("embedding")
        words = panel.locator(".small", has_text="in the graph that the server ran").inner_text().rstrip(".").split()
        lengths = [float(word) for word in words if word.replace(".", "").isdigit()]
        assert lengths[0] == lengths[1] == round(float(np.linalg.norm(token + embedding.patch_positions[1, 2])), 3)
        check_positions(found, embedding.patch_positions)


def check_positions(found: Any, table: np.ndarray) -> None:
    vectors = table.reshape(49, -1)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T
    low = alike.min()
    levels = np.floor((alike - low) / (1 - low) * 255 + 0.5).astype(int)
    found.panel("positions").locator("h4", has_text="The map of row 2, column 3").wait_for()
    for place in (0, 20, 48):
        drawn = np.array(found.pixel("#positions .one canvas", (place % 7 + 0.5) / 7, (place // 7 + 0.5) / 7), int)
        assert np.abs(drawn - COLOURS["viridis"][levels[9, place]]).max() <= 3, place
    for place, cell in ((0, 0), (24, 10), (40, 44)):  # the board: cell `cell` of the map of `place`
        x, y = ((place % 7) + (cell % 7 + 1) / 8, (place // 7) + (cell // 7 + 1) / 8)
        drawn = np.array(found.pixel("#positions .stage canvas", x / 7, y / 7), int)
        assert np.abs(drawn - COLOURS["viridis"][levels[place, cell]]).max() <= 3, (place, cell)


def test_patches_lie_where_the_model_cuts(server: RunningServer, chromium: Any) -> None:
    """A board of black and white squares, one for each patch, in a photo of odd sides."""
    rows, cols, height, width = 3, 5, 189, 305
    y, x = np.mgrid[:height, :width]
    squares = ((y * rows // height + x * cols // width) % 2 * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(squares).convert("RGB").save(file, "PNG")
    with opened(chromium, server.http) as found:
        found.ask(file.getvalue(), "wide")
        found.panel("patches")
        for row, col in np.ndindex(rows, cols):
            for dx, dy in ((0.5, 0.5), (0.12, 0.12), (0.88, 0.88)):
                drawn = found.pixel("#patches .stage canvas", (col + dx) / cols, (row + dy) / rows)
                assert drawn == [255 * ((row + col) % 2)] * 3, (row, col)


def test_a_map_is_tested_by_deleting_and_keeping_patches(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http) as found:
        found.ask(photo, "wide")
        panel = found.panel("holds")
        panel.get_by_text("With only 3 of 15 patches: ").wait_for()
        panel.locator(".slider input").fill("100")
        panel.get_by_text("With only 15 of 15 patches: ").wait_for()
        said = panel.locator("p", has_text="With only 15").inner_text()
        kept, whole = (float(part.split("\u00a0%")[0].split()[-1]) for part in said.split(", with all"))
        assert abs(kept - whole) < 2, "the same photo, but for how it is resized"
        panel.get_by_role("button", name="Measure").click()
        panel.get_by_text("On average ").wait_for()
        panel.get_by_label("Delete or insert patches").select_option("insert")
        panel.get_by_text("36 questions to the model").wait_for()
        found.page.route("**/api/v1/classify", lambda route: None)  # the server takes its time
        panel.get_by_role("button", name="Measure").click()
        panel.get_by_role("button", name="Cancel").click()
        panel.get_by_role("button", name="Measure").wait_for()
        found.page.unroute("**/api/v1/classify")


def test_what_is_selected_can_be_taken_away(server: RunningServer, chromium: Any, photo: bytes) -> None:
    with opened(chromium, server.http, "/#model=wide&layer=1&head=2") as found:
        found.ask(photo, "wide")
        panel = found.panel("takeaway")
        command = panel.locator("#take-curl").inner_text()
        query = command.split("?")[1].rstrip("'")
        expected = answer(server, photo, query)
        assert [(each["layer"], each["head"]) for each in expected["maps"]] == [(0, 1)]
        panel.locator("select").select_option("evidence")
        with found.page.expect_download() as download:
            panel.get_by_role("button", name="Save as PNG").click()
        with Image.open(download.value.path()) as picture:
            assert picture.format == "PNG"
